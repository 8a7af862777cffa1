// Choosing a user, the profile, leaving, and the key that a service may ask for.

import { by, closable, node } from "../elements/dom.js";
import { toast } from "../elements/toast.js";
import { words } from "../elements/words.js";
import { readId } from "../ids.js";

const OCCUPATIONS = [
  "other", "academic/educator", "artist", "clerical/admin", "college/grad student", "customer service",
  "doctor/health care", "executive/managerial", "farmer", "homemaker", "K-12 student", "lawyer", "programmer",
  "retired", "sales/marketing", "scientist", "self-employed", "technician/engineer", "tradesman/craftsman",
  "unemployed", "writer",
]; // prettier-ignore

const GENDERS = { F: "female", M: "male" };

/** The profile in words, as far as it is known; empty if nothing is. */
export function profileOf({ gender, age, occupation }) {
  const words = [GENDERS[gender], age === 1 ? "under 18" : age && `age ${age}`, OCCUPATIONS[occupation]];
  return words.filter(Boolean).join(" · ");
}

export function chooseUser(open) {
  for (const form of document.querySelectorAll("[data-open-user]")) {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const field = form.elements.user;
      const id = readId(field.value);
      if (id === null) field.reportValidity();
      else open(id);
    });
  }
}

/** A dialog of the session's user whose form `send` takes; where that fails it stays open, or a word says why. */
function dialogThat(session, dialog, send) {
  const form = dialog.querySelector("form");
  closable(dialog);
  session.addEventListener("user", () => dialog.close()); // it is not the next one's
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const problem = form.querySelector(".error");
    problem.textContent = "";
    const { id } = session;
    try {
      await send(form);
      if (id === session.id) dialog.close();
    } catch (error) {
      if (id !== session.id) return;
      if (dialog.open) problem.textContent = error.message;
      else toast(error.message, { error: true });
    }
  });
  return form;
}

/** The dialog that changes the session's profile; `changed` is run when it is. */
export function profileDialog(session, changed) {
  const dialog = by("profile");
  const form = dialogThat(session, dialog, async () => {
    await session.changeProfile(profileIn(form));
    changed();
  });
  form.occupation.append(...OCCUPATIONS.map((name, code) => {
    const option = node("option", "", name);
    option.value = code;
    return option;
  }));
  for (const button of document.querySelectorAll("[data-profile]")) {
    button.addEventListener("click", () => {
      fillIn(form, session.user);
      by("account").hidePopover();
      dialog.showModal();
    });
  }
}

function fillIn(form, { gender, age, occupation }) {
  form.querySelector(".error").textContent = "";
  form.gender.value = gender ?? "";
  form.age.value = age ?? "";
  form.occupation.value = occupation ?? "";
}

/** What is left out is null: not known. */
function profileIn(form) {
  const number = (field) => (field.value ? Number(field.value) : null);
  return { gender: form.gender.value || null, age: number(form.age), occupation: number(form.occupation) };
}

/** The dialog that asks before the session's user is deleted. */
export function leaveDialog(session) {
  const dialog = by("confirm-leave");
  dialogThat(session, dialog, () => session.remove());
  by("leave").addEventListener("click", () => {
    dialog.querySelector(".muted").textContent = `User ${session.name} is deleted with all ${words().rating}s. There is no way back.`;
    dialog.querySelector(".error").textContent = "";
    by("account").hidePopover();
    dialog.showModal();
  });
}

/** Ask for an API key; null if the user gives none. */
export function keyDialog() {
  const dialog = by("ask-key");
  const form = dialog.querySelector("form");
  closable(dialog);
  return (refused) =>
    new Promise((resolve) => {
      let key = null;
      form.querySelector(".error").textContent = refused ? "That key was not accepted." : "";
      form.onsubmit = () => {
        key = form.key.value.trim() || null;
      };
      dialog.addEventListener("close", () => resolve(key), { once: true });
      form.reset();
      dialog.showModal();
      form.key.focus();
    });
}
