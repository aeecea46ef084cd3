/** The current names of time zones. `isTimezone` also accepts former names. */
export const timezones: readonly string[] = ["UTC", ...Intl.supportedValuesOf("timeZone")];

/** Whether a time zone has exactly this name, because the guest looks for a file with it. */
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
