import { removes } from "../operation.ts";

export const sshHostKeys = removes({
  name: "ssh-host-keys",
  summary: "Remove the SSH host keys; sshd and dropbear generate new ones at first boot",
  // EPEL's dropbear makes missing keys in its start script and its dropbear-keygen.service.
  paths: ["/etc/ssh/ssh_host_*", "/etc/ssh_host_*", "/etc/dropbear/dropbear_*_host_key*"],
});

export const buildKey = removes({
  name: "build-key",
  summary: "Remove the build's login key and everything else in root's .ssh; root's .rhosts and .shosts",
  paths: ["/root/.ssh", "/root/.rhosts", "/root/.shosts"],
});

export const userKeys = removes({
  name: "user-keys",
  summary: "Remove the users' SSH keys and known hosts, and the lists of trusted hosts",
  paths: [
    ...["~/.ssh", "~/.rhosts", "~/.shosts"],
    ...["/etc/hosts.equiv", "/etc/shosts.equiv", "/etc/ssh/shosts.equiv"],
  ],
});
