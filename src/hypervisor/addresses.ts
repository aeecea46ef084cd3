import { z } from "zod";

export const ipv4 = z.string().regex(/^\d{1,3}(\.\d{1,3}){3}$/, "an IPv4 address such as 192.168.77.1");

export const sshAddress = z.string().regex(/^[^\s-][^\s]*$/, "an address for ssh, such as root@dom0");
