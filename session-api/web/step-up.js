// Calls that need a recent log-in (RFC 9470): where the service wants the password again, its user is
// asked for it, and the call is repeated.

import { $, ask, attempt, call, complain, session } from "./page.js";

/** As `call`; throws the refusal too where the password is not given. */
export async function callAsOperator(method, path, init) {
  try {
    return await call(method, path, init);
  } catch (error) {
    if (error.slug !== "step-up") throw error;
    if (!(await givesPassword())) throw error;
    return call(method, path, init);
  }
}

/** Asks whoever is logged in for the password, until it is right or the dialog is left. */
async function givesPassword() {
  const dialog = $("confirm-password");
  const form = dialog.querySelector("form");
  const field = $("confirm-password-field");
  const error = $("confirm-password-error");
  const name = session.who.user.username;
  $("confirm-password-user").value = name;
  complain(error);
  const asked = new AbortController();
  const tried = async (event) => {
    event.preventDefault();
    await attempt(form.querySelector("[type=submit]"), error, async () => {
      await session.logIn(name, field.value);
      dialog.close("given");
    });
    field.focus();
  };
  form.addEventListener("submit", tried, asked);
  $("confirm-password-cancel").addEventListener("click", () => dialog.close(), asked);
  const left = await ask(dialog);
  asked.abort();
  form.reset();
  return left === "given";
}
