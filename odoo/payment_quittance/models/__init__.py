from odoo.release import version_info

from . import payment_capture_wizard, payment_provider, payment_token, payment_transaction

if version_info[0] >= 19:
    from . import series_19
else:
    from . import series_18
