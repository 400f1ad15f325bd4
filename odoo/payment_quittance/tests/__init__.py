from . import test_books_bookings, test_books_set_up
from . import test_news_children, test_news_contract, test_news_others, test_news_payments, test_news_request
from . import test_callouts, test_connection, test_flows, test_keys, test_letters, test_pay_form, test_return
