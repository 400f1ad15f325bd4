/* In place of Stripe's script in tests: draws a box, and says yes. Refuses what Stripe's refuses since the release Endive. */
const accept = (options) => {
    if ("paymentMethodTypes" in options) {
        throw new Error("paymentMethodTypes is no option any more");
    }
    return options;
};
window.Stripe = (publishableKey) => ({
    elements: (options) => ({
        create: () => ({
            on: () => {},
            mount: (container) => {
                container.textContent = "stand-in of Stripe";
                container.dataset.drawn = JSON.stringify({ publishableKey, options: accept(options) });
            },
        }),
        update: (changes) => Object.assign(options, accept(changes)),
        submit: async () => ({}),
    }),
    confirmPayment: async ({ clientSecret }) =>
        clientSecret.startsWith("pi_declined") ? { error: { message: "Your card was declined." } } : {},
    confirmSetup: async () => ({}),
});
