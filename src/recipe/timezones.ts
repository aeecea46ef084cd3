/** The names of the time zones of today; those that were renamed are known beside them. */
export const timezones: readonly string[] = ["UTC", ...Intl.supportedValuesOf("timeZone")];

/** Whether a time zone has this name, in this spelling: the guest looks for a file that is named so. */
export function isTimezone(name: string): boolean {
  const spelled = timezones.find((one) => one.toLowerCase() === name.toLowerCase());
  if (spelled !== undefined) return spelled === name;
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}
