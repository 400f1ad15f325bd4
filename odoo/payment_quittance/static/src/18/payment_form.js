/** @odoo-module **/

import { _t } from "@web/core/l10n/translation";

import paymentForm from "@payment/js/payment_form";
import { QuittanceElement } from "@payment_quittance/js/quittance_elements";

paymentForm.include({
    async _prepareInlineForm(providerId, providerCode, paymentOptionId, paymentMethodCode, flow) {
        if (providerCode !== "quittance") {
            return this._super(...arguments);
        }
        const radio = document.querySelector('input[name="o_payment_radio"]:checked');
        const inlineForm = this._getInlineForm(radio);
        const container = inlineForm?.querySelector('[name="o_quittance_element"]');
        if (flow === "token" || !container) {
            return; // A saved method has no form, and neither has Stripe's own page.
        }
        this._setPaymentFlow("direct");
        this.quittanceElements ??= {};
        if (this.quittanceElements[paymentOptionId]) {
            return;
        }
        const element = new QuittanceElement(container, this.paymentContext.mode === "payment");
        this.quittanceElements[paymentOptionId] = element;
        const checkbox = inlineForm.querySelector('input[name="o_payment_tokenize_checkbox"]');
        const showProblem = (message) => this._displayErrorDialog(_t("The payment form cannot be shown"), message);
        try {
            await element.mount(checkbox, showProblem);
        } catch (error) {
            delete this.quittanceElements[paymentOptionId];
            showProblem(error.message);
        }
    },

    async _initiatePaymentFlow(providerCode, paymentOptionId, paymentMethodCode, flow) {
        const goOn = this._super.bind(this);
        if (providerCode === "quittance" && flow === "direct") {
            const element = this.quittanceElements?.[paymentOptionId];
            const problem = element ? await element.check(this.paymentContext.amount) : _t("Please choose a payment method again.");
            if (problem) {
                this._displayErrorDialog(_t("Please check your payment details"), problem);
                this._enableButton();
                return;
            }
        }
        return goOn(...arguments);
    },

    async _processDirectFlow(providerCode, paymentOptionId, paymentMethodCode, processingValues) {
        if (providerCode !== "quittance") {
            return this._super(...arguments);
        }
        const problem =
            processingValues.quittance_error ||
            (await this.quittanceElements[paymentOptionId].confirm(processingValues));
        if (problem) {
            this._displayErrorDialog(_t("The payment did not go through"), problem);
            this._enableButton();
        }
    },

    _processRedirectFlow(providerCode, paymentOptionId, paymentMethodCode, processingValues) {
        if (providerCode === "quittance" && processingValues.quittance_error) {
            this._displayErrorDialog(_t("The payment did not go through"), processingValues.quittance_error);
            this._enableButton();
            return;
        }
        return this._super(...arguments);
    },

    _processTokenFlow(providerCode, paymentOptionId, paymentMethodCode, processingValues) {
        if (providerCode === "quittance" && processingValues.quittance_redirect) {
            window.location = processingValues.quittance_redirect; // The bank wants to see who pays.
            return;
        }
        return this._super(...arguments);
    },
});
