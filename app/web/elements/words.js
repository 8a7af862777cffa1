// What the page says one way in a service with stars, and another way in one without.

import { plural } from "./dom.js";

const WORDS = {
  stars: {
    rating: "rating",
    rated: "rated",
    rateFirst: "Start as a user first, then rate.",
    deleted: "rating deleted",
    noneYet: "No ratings yet.",
    howTo: "Find a movie that you know, and give it stars.",
    others: "From what you liked, disliked and watched. Rate a movie, too.",
    rateOne: "Rate a movie, and the list becomes yours.",
    popular: "Highest rated by all users",
    allKnown: "Every movie here is rated.",
    allKnownToOne: "One of you has rated every movie here.",
  },
  likes: {
    rating: "like",
    rated: "liked",
    rateFirst: "Start as a user first.",
    deleted: "no longer liked",
    noneYet: "No likes yet.",
    howTo: "Find a movie that you like, and say so.",
    others: "From what you disliked and watched. Like a movie, too.",
    rateOne: "Like a movie, and the list becomes yours.",
    popular: "Most liked by all users",
    allKnown: "Every movie here is liked or watched.",
    allKnownToOne: "One of you has liked or watched every movie here.",
  },
};

const kind = () => (document.documentElement.dataset.feedback === "likes" ? "likes" : "stars");

/** The words of this service; those of one with stars until its card is here. */
export const words = () => WORDS[kind()];

/** How a list of ratings is spoken of. */
export const ratingsOf = (count) => plural(count, words().rating);

/** Put what the document says into these words. */
export function sayInWords() {
  for (const element of document.querySelectorAll("[data-likes]")) {
    element.dataset.stars ??= element.textContent;
    element.textContent = element.dataset[kind()];
  }
}
