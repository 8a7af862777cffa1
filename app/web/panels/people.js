// Choosing a user, starting as a new one, and the key that a service may ask for.

import { by, closable, node } from "../elements/dom.js";

const OCCUPATIONS = [
  "other", "academic/educator", "artist", "clerical/admin", "college/grad student", "customer service",
  "doctor/health care", "executive/managerial", "farmer", "homemaker", "K-12 student", "lawyer", "programmer",
  "retired", "sales/marketing", "scientist", "self-employed", "technician/engineer", "tradesman/craftsman",
  "unemployed", "writer",
]; // prettier-ignore

const GENDERS = { F: "female", M: "male" };

/** The profile in words, as far as it is known. */
export function profileOf({ gender, age, occupation }) {
  const words = [GENDERS[gender], age === 1 ? "under 18" : age && `age ${age}`, OCCUPATIONS[occupation]];
  return words.filter(Boolean).join(" · ") || "no profile";
}

export function chooseUser(open) {
  for (const form of document.querySelectorAll("[data-open-user]")) {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const field = form.elements.user;
      if (field.checkValidity()) open(Number(field.value));
      else field.reportValidity();
    });
  }
}

/** The dialog that signs a user up; `signUp` is given the profile and throws what the service has against it. */
export function signUpDialog(signUp) {
  const dialog = by("sign-up");
  const form = dialog.querySelector("form");
  closable(dialog);
  form.occupation.append(...OCCUPATIONS.map((name, code) => {
    const option = node("option", "", name);
    option.value = code;
    return option;
  }));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const problem = form.querySelector(".error");
    problem.textContent = "";
    try {
      await signUp(profileIn(form));
      dialog.close();
    } catch (error) {
      problem.textContent = error.message;
    }
  });
  for (const button of document.querySelectorAll("[data-sign-up]")) {
    button.addEventListener("click", () => {
      form.reset();
      form.querySelector(".error").textContent = "";
      dialog.showModal();
    });
  }
}

function profileIn(form) {
  const profile = {};
  if (form.gender.value) profile.gender = form.gender.value;
  if (form.age.value) profile.age = Number(form.age.value);
  if (form.occupation.value) profile.occupation = Number(form.occupation.value);
  return profile;
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
