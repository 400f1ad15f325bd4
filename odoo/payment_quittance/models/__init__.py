from odoo.release import version_info

from . import payment_provider, provider_connection, provider_calls, payment_token, payment_transaction
from . import transaction_parts, transaction_ask, transaction_begin, transaction_act
from . import account_move, account_payment, mail_activity
from . import quittance_message, quittance_books, quittance_booking, quittance_news, chatter
from . import quittance_letter
from . import payment_news, news_children, payment_books, post_together
from . import credit_note, dispute_news, link_news, token_news

if version_info[0] >= 19:
    from . import series_19
else:
    from . import series_18
