// A client for hosts of MCP Apps (specification 2026-01-26): JSON-RPC 2.0 over postMessage.

// A host may ask the person before it answers.
const REQUEST_MS = 120000;

function connect({ name, onInput, onResult, onCancelled, onTeardown }) {
  const pending = new Map();
  let lastId = 0;
  let lastHeight = 0;
  const post = (message) => window.parent.postMessage({ jsonrpc: "2.0", ...message }, "*");

  const request = (method, params) =>
    new Promise((resolve, reject) => {
      const id = ++lastId;
      pending.set(id, ({ result, error }) =>
        error ? reject(Error(asText(error.message, 300))) : resolve(asObject(result)),
      );
      setTimeout(settle, REQUEST_MS, id, { error: { message: "no answer" } });
      post({ id, method, params });
    });

  function settle(id, answer) {
    pending.get(id)?.(answer);
    pending.delete(id);
  }

  const handlers = {
    __proto__: null,
    "tool-input-partial": (params) => onInput(asObject(params.arguments), true),
    "tool-input": (params) => onInput(asObject(params.arguments), false),
    "tool-result": onResult,
    "tool-cancelled": (params) => onCancelled(asText(params.reason, 300)),
    "host-context-changed": applyContext,
    "ui/resource-teardown": onTeardown,
    ping() {},
  };

  function receive({ source, data }) {
    if (source !== window.parent || data?.jsonrpc !== "2.0") return;
    const { id, method } = data;
    if (typeof method !== "string") return settle(id, data);
    const handle = handlers[method.replace("ui/notifications/", "")];
    handle?.(asObject(data.params));
    if (id === undefined) return;
    if (handle) post({ id, result: {} });
    else post({ id, error: { code: -32601, message: "Method not found" } });
  }

  // Some hosts loop when they are sent a size again. Under some there is no doctype, and then body
  // and root are as high as the frame.
  const main = document.querySelector("main");
  const resize = debounced(100, () => {
    const height = Math.ceil(main.getBoundingClientRect().height);
    if (height !== lastHeight) post({ method: "ui/notifications/size-changed", params: { height } });
    lastHeight = height;
  });

  async function handshake() {
    // VS Code replaces addEventListener and parent.postMessage, but not onmessage.
    window.addEventListener("message", receive);
    const appInfo = { name, version: "1" };
    const answer = await request("ui/initialize", {
      protocolVersion: "2026-01-26",
      appInfo,
      clientInfo: appInfo,
      appCapabilities: { availableDisplayModes: ["inline"] },
    });
    host.capabilities = asObject(answer.hostCapabilities);
    applyContext(asObject(answer.hostContext));
    // Claude keeps the frame hidden until it has this.
    post({ method: "ui/notifications/initialized", params: {} });
    new ResizeObserver(resize).observe(main);
    return true;
  }

  const callTool = (name, args) => request("tools/call", { name, arguments: args });
  const host = { request, callTool, capabilities: {} };
  // Whether there is a host, once that is known. A page without a frame asks itself here, and hears
  // at once that there is no such method.
  host.ready = handshake().catch(() => false);
  return host;
}

function applyContext({ theme, locale, styles }) {
  const root = document.documentElement;
  if (theme === "light" || theme === "dark") root.dataset.theme = root.style.colorScheme = theme;
  for (const [name, value] of Object.entries(asObject(asObject(styles).variables)).slice(0, 400)) {
    if (/^--[a-z0-9-]{1,60}$/.test(name)) root.style.setProperty(name, asText(value, 400));
  }
  try {
    const { script } = new Intl.Locale(locale).maximize();
    root.lang = locale;
    root.dir = /Arab|Hebr|Thaa|Syrc|Nkoo|Adlm/.test(script) ? "rtl" : "ltr";
  } catch {
    // The page stays as it is.
  }
}

function debounced(milliseconds, act) {
  let timer;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(act, milliseconds);
  };
}

// What comes from outside may have any type and any size.

function asObject(value) {
  return value && typeof value === "object" && !Array.isArray(value) ? value : {};
}

function asText(value, limit) {
  const text = typeof value === "string" || Number.isFinite(value) ? String(value) : "";
  return (text.length > limit ? `${text.slice(0, limit)}…` : text).toWellFormed();
}

// Return a number from 0 to a billion, else null.
function asNumber(value) {
  const number = typeof value === "string" ? parseFloat(value) : value;
  return Number.isFinite(number) && number >= 0 && number <= 1e9 ? number : null;
}

// Return a URL that a clip may be played from and a host may open, else null.
function asUrl(value) {
  if (asText(value, 8000) !== value || !URL.canParse(value)) return null;
  const { href } = new URL(value);
  return /^(https:|http:\/\/(127\.0\.0\.1|localhost|\[::1\])(:\d+)?\/)/.test(href) ? href : null;
}

function usd(value) {
  return value.toLocaleString("en", { style: "currency", currency: "USD", maximumFractionDigits: 4 });
}

// Draw a small JPEG, and return whether that worked. Every host's policy lets a canvas do it.
async function drawJpeg(canvas, base64) {
  try {
    // A longer text is cut with a character that cannot be decoded.
    const bytes = Uint8Array.from(atob(asText(base64, 50000)), (character) => character.charCodeAt(0));
    if (!isSmallJpeg(bytes)) return false;
    const image = await createImageBitmap(new Blob([bytes]));
    canvas.width = image.width;
    canvas.height = image.height;
    canvas.getContext("2d").drawImage(image, 0, 0);
    return true;
  } catch {
    return false;
  }
}

// A few bytes may claim billions of pixels, so their number is read before decoding.
function isSmallJpeg(bytes) {
  const word = (at) => bytes[at] * 256 + bytes[at + 1];
  for (let at = 2; bytes[at] === 0xff; at += 2 + word(at + 2)) {
    const frame = bytes[at + 1] >> 2 === 0xc0 >> 2;
    if (frame) return Math.max(word(at + 5), word(at + 7)) <= 1024;
  }
  return false;
}
