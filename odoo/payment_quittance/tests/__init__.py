from . import test_callouts, test_connection, test_flows, test_keys, test_pay_form, test_return
