/** @odoo-module **/

import { loadJS } from "@web/core/assets";

/**
 * Stripe's Payment Element for one payment method of the form: how it is drawn, and how the customer pays with it.
 *
 * Odoo's pay form is written anew from series to series; what is done with Stripe's script is not.
 */
export class QuittanceElement {
    /**
     * @param {HTMLElement} container - Where it is drawn; carries what it needs to know.
     * @param {boolean} isPayment - Whether money is asked for, or only a method to keep.
     */
    constructor(container, isPayment) {
        this.container = container;
        this.values = JSON.parse(container.dataset.quittanceValues);
        this.isPayment = isPayment;
    }

    /**
     * Draw it, and follow the checkbox by which the customer has the method kept.
     *
     * @param {HTMLInputElement|null} checkbox
     * @param {Function} onProblem - Called with a message where Stripe cannot draw it.
     */
    async mount(checkbox, onProblem) {
        this.stripe = await loadStripe(this.values);
        this.elements = this.stripe.elements(this._options());
        const element = this.elements.create("payment", {
            defaultValues: { billingDetails: this.values.billing_details },
        });
        element.on("loaderror", ({ error }) => onProblem(error.message));
        element.mount(this.container);
        if (checkbox && this.isPayment) {
            const follow = () =>
                this.elements.update({
                    setupFutureUsage: checkbox.checked || this.values.must_save ? "off_session" : null,
                });
            follow();
            checkbox.addEventListener("input", follow);
        }
    }

    _options() {
        const options = {
            appearance: { theme: "stripe" },
            currency: this.values.currency,
            allowedPaymentMethodTypes: [this.values.method_type],
        };
        if (!this.isPayment) {
            return { ...options, mode: "setup", setupFutureUsage: "off_session" };
        }
        options.mode = "payment";
        options.amount = this.values.amount_minor;
        options.captureMethod = this.values.capture_method;
        if (this.values.must_save) {
            options.setupFutureUsage = "off_session";
        }
        return options;
    }

    /**
     * Check what was filled in. Nothing is asked of the service before.
     *
     * @param {string|number|undefined} amount - What the form asks for now; a page may have changed it since it was drawn.
     * @return {Promise<string|null>} What is wrong with it.
     */
    async check(amount) {
        const minor = Math.round(parseFloat(amount) * 10 ** this.values.decimals);
        if (this.isPayment && minor > 0 && minor !== this.values.amount_minor) {
            this.values.amount_minor = minor;
            this.elements.update({ amount: minor });
        }
        const { error } = await this.elements.submit();
        return error ? error.message : null;
    }

    /**
     * Pay. The customer leaves the page, or what stands in their way is returned.
     *
     * @param {object} processingValues
     * @return {Promise<string|null>}
     */
    async confirm(processingValues) {
        const confirm = this.isPayment ? this.stripe.confirmPayment : this.stripe.confirmSetup;
        const { error } = await confirm.call(this.stripe, {
            elements: this.elements,
            clientSecret: processingValues.client_secret,
            confirmParams: { return_url: processingValues.return_url },
            // Without a need for the bank's page the secret stays out of the address.
            redirect: "if_required",
        });
        if (error) {
            return error.message;
        }
        window.location = processingValues.return_url;
        return null;
    }
}

/**
 * Stripe's script, from where the provider says. It is loaded on pages with a pay form only, when it is needed.
 *
 * @param {object} values
 */
async function loadStripe(values) {
    await loadJS(values.script_url);
    return window.Stripe(values.publishable_key);
}
