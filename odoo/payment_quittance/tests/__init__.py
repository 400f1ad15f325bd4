from . import test_news_request
