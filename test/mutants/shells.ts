/** Files that only do I/O, so that unit tests cannot judge them, each with a test that covers it. Files with decisions do not belong here. */
export const shells: Readonly<Record<string, string>> = {};
