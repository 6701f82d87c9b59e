// Makes pages smoother; they work without it.

// Times in the zone of the reader.
const format = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
for (const time of document.querySelectorAll("time[datetime]")) {
  const at = new Date(time.dateTime);
  if (!Number.isNaN(at.getTime())) {
    time.title = time.dateTime;
    time.textContent = format.format(at);
  }
}

// A choice of a search takes effect at once.
for (const select of document.querySelectorAll(".search select")) {
  select.addEventListener("change", () => select.form.requestSubmit());
}

// A form is sent once.
for (const form of document.querySelectorAll('form[method="post"]')) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
  });
}
// The page may come back from the history.
addEventListener("pageshow", () => {
  for (const form of document.forms) delete form.dataset.sent;
});

// One menu or question is open at a time, and Escape closes it.
const boxes = document.querySelectorAll("details.account, details.ask");
for (const box of boxes) {
  box.addEventListener("toggle", () => {
    if (box.open) for (const other of boxes) if (other !== box) other.open = false;
  });
}
addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const box of boxes) {
    if (box.open) {
      box.open = false;
      box.querySelector("summary").focus();
    }
  }
});

// Copies what is shown once.
for (const code of document.querySelectorAll("[data-copy]")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "second small";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(code.textContent);
    button.textContent = "Copied";
  });
  code.after(button);
}

// A page that shows work looks again by itself.
for (const box of document.querySelectorAll("[data-reload]")) {
  setTimeout(() => location.reload(), Number(box.dataset.reload) * 1000);
}

// The preview of the branding shows what is typed. The page says how it looks; only its subject and its frame change here.
const branding = document.querySelector("form[data-preview]");
if (branding) {
  const head = document.querySelector("#preview-head");
  const frame = document.querySelector("#preview-frame");
  branding.querySelector('[formmethod="get"]').remove();
  let waiting, running;
  const show = async () => {
    running?.abort();
    running = new AbortController();
    const query = new URLSearchParams(new FormData(branding));
    const answer = await fetch(`${branding.dataset.preview}?${query}`, { signal: running.signal }).catch(() => null);
    if (!answer?.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const newHead = page.querySelector("#preview-head");
    const newFrame = page.querySelector("#preview-frame");
    if (!newHead || !newFrame) return;
    head.replaceChildren(...newHead.childNodes);
    const source = newFrame.getAttribute("src");
    if (source !== frame.dataset.shown) frame.contentWindow.location.replace(source);
    frame.dataset.shown = source;
  };
  branding.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(show, 250);
  });

  // A picker beside the text of the color.
  const text = branding.elements.color;
  const picker = document.createElement("input");
  picker.type = "color";
  picker.ariaLabel = "Choose a colour";
  const follow = () => {
    if (/^#[0-9a-f]{6}$/i.test(text.value) || !text.value) picker.value = text.value.toLowerCase() || "#1d4ed8";
  };
  follow();
  text.addEventListener("input", follow);
  picker.addEventListener("input", () => (text.value = picker.value));
  const both = document.createElement("div");
  both.className = "color";
  text.replaceWith(both);
  both.append(text, picker);
}

// Passkeys (WebAuthn): a form is sent with what the browser answers to the challenge.
const passkeyForms = document.querySelectorAll("#passkey-sign-in, #passkey-add");
if (window.PublicKeyCredential && passkeyForms.length) {
  const decoded = (text) =>
    Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
  const encoded = (buffer) =>
    btoa(Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join(""))
      .replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  const ceremony = async (form) => {
    const token = form.elements.token ? { token: form.elements.token.value } : {};
    const answer = await fetch(form.dataset.options, { method: "POST", body: new URLSearchParams(token) });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    const options = await answer.json();
    const { challenge } = options;
    options.challenge = decoded(challenge);
    let credential;
    if (options.user) {
      options.user.id = decoded(options.user.id);
      for (const known of options.excludeCredentials) known.id = decoded(known.id);
      credential = await navigator.credentials.create({ publicKey: options });
    } else {
      credential = await navigator.credentials.get({ publicKey: options });
      form.elements.credential.value = encoded(credential.rawId);
    }
    form.elements.challenge.value = challenge;
    for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
      if (form.elements[name]) form.elements[name].value = encoded(credential.response[name] ?? new ArrayBuffer(0));
    }
    form.submit();
  };
  const why = (error) => {
    if (error.name === "InvalidStateError") return "This device has a passkey for you already.";
    if (error.name === "NotAllowedError") return "The passkey was not used: it was cancelled, or took too long.";
    return "That did not work. Load the page again.";
  };
  for (const form of passkeyForms) {
    form.hidden = false;
    form.addEventListener("submit", (event) => {
      if (event.defaultPrevented) return;
      event.preventDefault();
      form.querySelector(".error").textContent = "";
      ceremony(form).catch((error) => {
        delete form.dataset.sent;
        form.querySelector(".error").textContent = why(error);
      });
    });
  }
  document.querySelector("#passkey-unsupported")?.remove();
}
