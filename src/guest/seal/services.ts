import { removes } from "../operation.ts";

export const serviceState = removes({
  name: "service-state",
  summary: "Remove keys and databases that tie services to this host",
  paths: [
    "/etc/krb5.keytab",
    "/var/lib/sss/db/*",
    "/var/lib/sss/mc/*",
    "/var/log/sssd/*",
    "/var/lib/samba/*.tdb",
    "/var/lib/samba/private/*.tdb",
    "/var/lib/puppet/ssl/*",
    "/var/lib/puppet/log/*",
    "/etc/ipa/default.conf",
    "/var/lib/ipa-client/sysrestore/*",
    "/var/lib/ipa-client/pki/*",
    "/var/lib/dovecot/*",
    "/var/lib/tuned/*",
    "/var/lib/pam_timestamp/*",
    "/var/run/sudo/*",
    "/var/db/sudo/*",
    "/var/run/console/*",
    "/var/run/faillock/*",
  ],
});

export const cloudInit = removes({
  name: "cloud-init",
  summary: "Remove what cloud-init knows of its last instance",
  paths: [
    "/var/lib/cloud/*",
    "/etc/cloud/ds-identify.cfg",
    "/etc/yum/vars/ociregion",
    "/etc/dnf/vars/ociregion",
  ],
});
