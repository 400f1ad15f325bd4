// A stand-in for Stripe.js: enough of it for a page to pay at the pretend Stripe, card by card. The number is typed into the page itself,
// without the frame that keeps it from the shop in the real one: for tests only.
(() => {
  "use strict";

  const API = "__API__";
  const CARD_OF_WALLETS = "4242424242424242";
  const LEAVES_THE_PAGE = new Promise(() => {});

  class IntegrationError extends Error {}

  /** Names and values as Stripe's form encoding has them: `a[b]=c`. */
  function* pairs(value, name = "") {
    for (const [key, inner] of Object.entries(value)) {
      const path = name ? `${name}[${key}]` : key;
      if (inner === undefined || inner === null) continue;
      if (typeof inner === "object") yield* pairs(inner, path);
      else yield [path, String(inner)];
    }
  }

  /** A few listeners for each of a few events. */
  class Emitter {
    listeners = {};

    on(event, listener) {
      (this.listeners[event] ??= []).push(listener);
      return this;
    }

    once(event, listener) {
      const heard = (...told) => {
        this.off(event, heard);
        listener(...told);
      };
      return this.on(event, heard);
    }

    off(event, listener) {
      const left = (this.listeners[event] ?? []).filter((known) => listener && known !== listener);
      this.listeners[event] = left;
      return this;
    }

    emit(event, told = {}) {
      for (const listener of [...(this.listeners[event] ?? [])]) listener(told);
      return (this.listeners[event] ?? []).length > 0;
    }
  }

  /** One part of the page that the script fills. */
  class Element extends Emitter {
    constructor(kind, options, elements) {
      super();
      Object.assign(this, { kind, options, elements, node: null });
    }

    mount(where) {
      const place = typeof where === "string" ? document.querySelector(where) : where;
      if (!place) throw new IntegrationError(`The selector you specified (${where}) applies to no DOM elements.`);
      this.node ??= this.render();
      place.replaceChildren(this.node);
      queueMicrotask(() => this.emit("ready", this.readiness()));
    }

    readiness() {
      return { elementType: this.kind };
    }

    update(options) {
      Object.assign(this.options, options);
    }

    unmount() {
      this.node?.remove();
    }

    destroy() {
      this.unmount();
      this.elements.parts = this.elements.parts.filter((part) => part !== this);
    }

    focus() {
      this.node?.querySelector("input, button")?.focus();
    }

    blur() {
      this.node?.querySelector("input, button")?.blur();
    }

    collapse() {}
  }

  /** Where a card's number is typed. */
  class PaymentElement extends Element {
    get number() {
      return this.input?.value.replace(/\s/g, "") ?? "";
    }

    render() {
      const label = document.createElement("label");
      label.className = "sandbox-stripe-card";
      label.textContent = "Card number (sandbox) ";
      this.input = document.createElement("input");
      Object.assign(this.input, { inputMode: "numeric", autocomplete: "cc-number", className: "form-control", placeholder: "4242 4242 4242 4242" });
      this.input.addEventListener("input", () => this.emit("change", this.state()));
      this.input.addEventListener("focus", () => this.emit("focus", { elementType: this.kind }));
      this.input.addEventListener("blur", () => this.emit("blur", { elementType: this.kind }));
      label.append(this.input);
      return label;
    }

    state() {
      const empty = this.number === "";
      return { elementType: this.kind, collapsed: false, complete: this.isComplete(), empty, value: { type: "card" } };
    }

    isComplete() {
      return /^\d{12,19}$/.test(this.number);
    }
  }

  /** A button as a wallet's: it pays without more being asked. */
  class ExpressCheckoutElement extends Element {
    render() {
      const button = document.createElement("button");
      Object.assign(button, { type: "button", className: "sandbox-stripe-wallet btn btn-dark w-100", textContent: "Pay with a sandbox wallet" });
      button.addEventListener("click", () => this.press());
      return button;
    }

    readiness() {
      return { elementType: this.kind, availablePaymentMethods: { googlePay: true, applePay: false, link: false } };
    }

    press() {
      const confirm = () => this.emit("confirm", this.payer());
      const resolve = () => queueMicrotask(confirm);
      const reject = () => this.emit("cancel", { elementType: this.kind });
      const heard = this.emit("click", { elementType: this.kind, expressPaymentType: "google_pay", resolve, reject });
      if (!heard) confirm();
    }

    payer() {
      const address = { line1: "1 Sandbox Street", line2: "", city: "Brussels", postal_code: "1000", state: "", country: "BE" };
      const who = { name: "Sandbox Wallet", email: "wallet@example.com", phone: "+3225550100" };
      return {
        elementType: this.kind,
        expressPaymentType: "google_pay",
        billingDetails: { ...who, address },
        shippingAddress: { name: who.name, address },
        paymentFailed: () => {},
      };
    }
  }

  const KINDS = { payment: PaymentElement, expressCheckout: ExpressCheckoutElement };

  /** The parts that belong to one payment. */
  class Elements {
    constructor(stripe, options) {
      Object.assign(this, { stripe, options: { ...options }, parts: [] });
      const types = this.options.allowedPaymentMethodTypes ?? this.options.paymentMethodTypes;
      if (types && !types.includes("card")) throw new IntegrationError(`The sandbox's script takes cards only, not ${types}.`);
    }

    create(kind, options = {}) {
      if (!(kind in KINDS)) throw new IntegrationError(`The sandbox's script has no element "${kind}".`);
      const part = new KINDS[kind](kind, { ...options }, this);
      this.parts.push(part);
      return part;
    }

    getElement(kind) {
      return this.parts.find((part) => part.kind === kind) ?? null;
    }

    update(options) {
      Object.assign(this.options, options);
    }

    async fetchUpdates() {
      return {};
    }

    async submit() {
      const part = this.getElement("payment");
      if (!part || part.isComplete()) return { selectedPaymentMethod: "card" };
      const message = "Your card number is incomplete.";
      return { error: { type: "validation_error", code: "incomplete_number", message } };
    }

    /** What was typed, as a payment method. */
    async paymentMethod(data = {}) {
      const submitted = await this.submit();
      if (submitted.error) return submitted;
      const number = this.getElement("payment")?.number ?? CARD_OF_WALLETS;
      return this.stripe.call("POST", "payment_methods", { type: "card", card: { number }, billing_details: data.billing_details });
    }
  }

  /** What the page holds. */
  class Stripe {
    constructor(key, options = {}) {
      if (!/^pk_/.test(key ?? "")) throw new IntegrationError("Stripe() needs a publishable key: pk_…");
      Object.assign(this, { key, account: options.stripeAccount });
    }

    elements(options = {}) {
      return new Elements(this, options);
    }

    async call(method, path, params) {
      const form = new URLSearchParams([...pairs({ key: this.key, ...params })]);
      const headers = this.account ? { "Stripe-Account": this.account } : {};
      const url = `${API}/v1/${path}`;
      try {
        const sent = method === "GET" ? fetch(`${url}?${form}`, { headers }) : fetch(url, { method, headers, body: form });
        return await (await sent).json();
      } catch {
        return { error: { type: "api_connection_error", message: "The pretend Stripe cannot be reached." } };
      }
    }

    confirmPayment(wish) {
      return this.confirm("payment_intent", wish);
    }

    confirmSetup(wish) {
      return this.confirm("setup_intent", wish);
    }

    async retrievePaymentIntent(secret) {
      return shown("payment_intent", await this.retrieve("payment_intent", secret));
    }

    async retrieveSetupIntent(secret) {
      return shown("setup_intent", await this.retrieve("setup_intent", secret));
    }

    /** Does what an intent that the shop's server confirmed still wants of the customer. */
    async handleNextAction({ clientSecret }) {
      const kind = clientSecret.startsWith("seti_") ? "setup_intent" : "payment_intent";
      const intent = await this.retrieve(kind, clientSecret);
      return intent.error ? intent : this.follow(kind, intent, clientSecret);
    }

    async confirm(kind, { elements, clientSecret, confirmParams = {}, redirect = "always" }) {
      const secret = clientSecret ?? elements?.options.clientSecret;
      const { return_url: returnUrl, payment_method_data: data, payment_method: saved } = confirmParams;
      if (!secret) throw new IntegrationError("Confirming needs a client secret.");
      if (redirect === "always" && !returnUrl) throw new IntegrationError("confirmParams.return_url is needed unless redirect is if_required.");
      const method = saved ? { id: saved } : await elements.paymentMethod(data);
      if (method.error) return { error: method.error };
      const asked = { client_secret: secret, payment_method: method.id, return_url: returnUrl };
      const intent = await this.call("POST", `${kind}s/${idIn(secret)}/confirm`, asked);
      if (intent.error) return { error: intent.error };
      return this.follow(kind, intent, secret, redirect === "always" ? returnUrl : undefined);
    }

    /** Goes where the intent sends the customer, and in the end to `returnUrl`, where there is one. */
    async follow(kind, intent, secret, returnUrl) {
      const action = intent.status === "requires_action" ? intent.next_action : null;
      if (action?.type === "redirect_to_url") {
        window.location.assign(action.redirect_to_url.url);
        return LEAVES_THE_PAGE;
      }
      const last = action ? await this.inFrame(kind, action.use_stripe_sdk.stripe_js, secret) : intent;
      const error = last.error ?? (last.status === "requires_payment_method" && (last.last_payment_error ?? last.last_setup_error));
      if (error) return { error };
      if (!returnUrl) return shown(kind, last);
      const url = new URL(returnUrl);
      url.searchParams.set(kind, last.id);
      url.searchParams.set(`${kind}_client_secret`, secret);
      url.searchParams.set("redirect_status", last.status === "processing" ? "pending" : "succeeded");
      window.location.assign(url);
      return LEAVES_THE_PAGE;
    }

    /** Shows the bank's page above the shop's until the customer has answered. */
    async inFrame(kind, address, secret) {
      const frame = document.createElement("iframe");
      Object.assign(frame, { src: address, className: "sandbox-stripe-bank" });
      frame.style.cssText = "position:fixed;inset:10%;width:80%;height:80%;z-index:9999;background:#fff";
      document.body.append(frame);
      for (;;) {
        const intent = await this.retrieve(kind, secret);
        if (intent.error || intent.status !== "requires_action") {
          frame.remove();
          return intent;
        }
        await new Promise((resume) => setTimeout(resume, 200));
      }
    }

    retrieve(kind, secret) {
      return this.call("GET", `${kind}s/${idIn(secret)}`, { client_secret: secret });
    }
  }

  const idIn = (secret) => secret.split("_secret_")[0];

  const shown = (kind, intent) => {
    if (intent.error) return { error: intent.error };
    return kind === "setup_intent" ? { setupIntent: intent } : { paymentIntent: intent };
  };

  window.Stripe = (key, options) => new Stripe(key, options);
})();
