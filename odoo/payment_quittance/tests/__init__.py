from . import test_callouts, test_connection, test_flows, test_keys, test_return
