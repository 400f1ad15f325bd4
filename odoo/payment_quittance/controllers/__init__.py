from . import main, news
