/** The first-boot message that sets root's password. It is sent last: when it arrives, the modules run. */
export const rootPasswordKey = "com.oracle.linux.root-password";
