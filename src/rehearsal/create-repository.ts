/** Makes the index of a yum repository. Its times are fixed, so that the same packages give the same bytes. */
export const createRepository = [
  "createrepo_c",
  "-q",
  "--no-database",
  "--revision",
  "1700000000",
  "--set-timestamp-to-revision",
] as const;
