/* In place of Stripe's script in tests: draws a box, and says yes. */
window.Stripe = (publishableKey) => ({
    elements: (options) => ({
        create: () => ({
            on: () => {},
            mount: (container) => {
                container.textContent = "stand-in of Stripe";
                container.dataset.drawn = JSON.stringify({ publishableKey, options });
            },
        }),
        update: (changes) => Object.assign(options, changes),
        submit: async () => ({}),
    }),
    confirmPayment: async ({ clientSecret }) =>
        clientSecret.startsWith("pi_declined") ? { error: { message: "Your card was declined." } } : {},
    confirmSetup: async () => ({}),
});
