// SPDX-License-Identifier: MIT
// Starts the page.  Loaded in the head, so that the chosen colours are there with the first paint.
import { App } from "./app";
import { load_settings, show_theme } from "./settings";
import { open_store } from "./store";

interface TrustedTypes {
  createPolicy(
    name: string,
    rules: { createScriptURL(url: string): string },
  ): {
    createScriptURL(url: string): string;
  };
}

const SERVICE_WORKER = "/sw.js";

// The page's policy allows one address of a script to be named by a script: this one.
function register_service_worker(): void {
  if (!("serviceWorker" in navigator)) return; // plain HTTP from another machine
  const types = (window as { trustedTypes?: TrustedTypes }).trustedTypes;
  const policy = types?.createPolicy("hadal", {
    createScriptURL(url) {
      if (url !== SERVICE_WORKER) throw new TypeError("no such script");
      return url;
    },
  });
  navigator.serviceWorker
    .register(policy ? policy.createScriptURL(SERVICE_WORKER) : SERVICE_WORKER)
    .catch(() => undefined); // without it the page needs the server to open, and nothing else
}

show_theme(load_settings().theme);
document.addEventListener("DOMContentLoaded", async () => {
  const app = new App(await open_store());
  await app.start();
  register_service_worker();
});
