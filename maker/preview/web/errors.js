// The error for users, and how messages end.

export const DAMAGED = "The file is damaged or truncated; copy it here again, or build it again.";

/** The file cannot be searched, or it does not support the query; the message is for users. */
export class SearcherError extends Error {}
