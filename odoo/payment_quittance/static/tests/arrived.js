/** @odoo-module **/

// For tests in a browser: says that a customer has come to the end of a payment.
if (window.location.pathname === "/payment/status") {
    window.console.log("quittance: arrived");
}
