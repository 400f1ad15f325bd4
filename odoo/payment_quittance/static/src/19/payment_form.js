import { _t } from "@web/core/l10n/translation";
import { patch } from "@web/core/utils/patch";

import { PaymentForm } from "@payment/interactions/payment_form";
import { QuittanceElement } from "@payment_quittance/js/quittance_elements";

patch(PaymentForm.prototype, {
    setup() {
        super.setup();
        this.quittanceElements = {};
    },

    async _prepareInlineForm(providerId, providerCode, paymentOptionId, paymentMethodCode, flow) {
        if (providerCode !== "quittance") {
            return super._prepareInlineForm(...arguments);
        }
        const radio = document.querySelector('input[name="o_payment_radio"]:checked');
        const inlineForm = this._getInlineForm(radio);
        const container = inlineForm?.querySelector('[name="o_quittance_element"]');
        if (flow === "token" || !container) {
            return; // A saved method has no form, and neither has Stripe's own page.
        }
        this._setPaymentFlow("direct");
        if (this.quittanceElements[paymentOptionId]) {
            return;
        }
        const element = new QuittanceElement(container, this.paymentContext.mode === "payment");
        this.quittanceElements[paymentOptionId] = element;
        const checkbox = inlineForm.querySelector('input[name="o_payment_tokenize_checkbox"]');
        const showProblem = (message) => this._displayErrorDialog(_t("The payment form cannot be shown"), message);
        try {
            await this.waitFor(element.mount(checkbox, showProblem));
        } catch (error) {
            delete this.quittanceElements[paymentOptionId];
            showProblem(error.message);
        }
    },

    async _initiatePaymentFlow(providerCode, paymentOptionId, paymentMethodCode, flow) {
        const element = this.quittanceElements[paymentOptionId];
        if (providerCode === "quittance" && flow === "direct") {
            const problem = element ? await this.waitFor(element.check(this.paymentContext.amount)) : _t("Please choose a payment method again.");
            if (problem) {
                this._displayErrorDialog(_t("Please check your payment details"), problem);
                this._enableButton();
                return;
            }
        }
        return super._initiatePaymentFlow(...arguments);
    },

    async _processDirectFlow(providerCode, paymentOptionId, paymentMethodCode, processingValues) {
        if (providerCode !== "quittance") {
            return super._processDirectFlow(...arguments);
        }
        const problem = await this.waitFor(this.quittanceElements[paymentOptionId].confirm(processingValues));
        if (problem) {
            this._displayErrorDialog(_t("The payment did not go through"), problem);
            this._enableButton();
        }
    },

    _processTokenFlow(providerCode, paymentOptionId, paymentMethodCode, processingValues) {
        if (providerCode === "quittance" && processingValues.quittance_redirect) {
            window.location = processingValues.quittance_redirect; // The bank wants to see who pays.
            return;
        }
        return super._processTokenFlow(...arguments);
    },
});
