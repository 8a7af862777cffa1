// localStorage and sessionStorage, which a browser may forbid: then nothing is remembered.

export function recall(kind, name) {
  try {
    return window[kind].getItem(`seqrec.${name}`);
  } catch {
    return null;
  }
}

export function remember(kind, name, value) {
  try {
    if (value === null) window[kind].removeItem(`seqrec.${name}`);
    else window[kind].setItem(`seqrec.${name}`, value);
  } catch {
    // forgotten when the page is left
  }
}
