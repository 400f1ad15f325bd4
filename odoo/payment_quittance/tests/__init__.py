from . import (
    test_books_bookings,
    test_books_set_up,
    test_news_children,
    test_news_others,
    test_news_payments,
    test_news_request,
)
