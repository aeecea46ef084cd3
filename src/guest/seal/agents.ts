/** A program that stores its own identity or secret in a guest. */
export interface Agent {
  readonly name: string;
  /** Files and folders to remove. The program regenerates them, or must be registered again. */
  readonly resets?: readonly string[];
  /** The guest program that regenerates `resets`. If it is missing, they are kept and reported. */
  readonly madeBy?: string;
  /** Files and folders that cannot be regenerated. They are kept, and a check reports them as left. */
  readonly reports?: readonly string[];
  /** A file in `reports` counts only if its text matches this. */
  readonly looks?: RegExp;
  /** How the program recovers, or the manual steps. */
  readonly afterwards: string;
}

const anew = "generates a new one at start";
const register = "has to be registered again";

/** All known agents, in the order of the table in docs/sealing.md. Paths are patterns for `GuestTree.glob`. */
export const agents: readonly Agent[] = [
  // Configuration management
  {
    name: "Puppet up to 3",
    resets: ["/var/lib/puppet/*/*"],
    afterwards: "the agent requests a new certificate from its server",
  },
  {
    name: "Puppet 4 and later",
    resets: [
      "/etc/puppetlabs/puppet/ssl/*",
      "/opt/puppetlabs/puppet/cache/state/*",
      "/opt/puppetlabs/puppet/cache/reports/*",
      "/opt/puppetlabs/puppet/cache/client_data/*",
      "/opt/puppetlabs/puppet/cache/client_yaml/*",
      "/opt/puppetlabs/puppet/cache/clientbucket/*",
    ],
    reports: ["/etc/puppetlabs/puppet/csr_attributes.yaml", "/etc/puppetlabs/puppetserver/ca/ca_key.pem"],
    afterwards: "the agent requests a new certificate from its server",
  },
  {
    name: "Salt minion",
    resets: ["/etc/salt/pki/minion/*", "/etc/salt/minion_id", "/var/cache/salt/minion/*"],
    afterwards: "generates a new key and ID at start",
  },
  {
    name: "Salt master",
    reports: ["/etc/salt/pki/master/*.pem"],
    afterwards: "is trusted by all its minions",
  },
  {
    name: "Chef",
    resets: ["/etc/chef/client.pem", "/var/chef/cache/*", "/var/chef/backup/*"],
    reports: ["/etc/chef/*validat*.pem", "/etc/chef/encrypted_data_bag_secret"],
    afterwards: "registers again with its validation key",
  },
  {
    name: "CINC",
    resets: ["/etc/cinc/client.pem", "/var/cinc/cache/*", "/var/cinc/backup/*"],
    reports: ["/etc/cinc/*validat*.pem", "/etc/cinc/encrypted_data_bag_secret"],
    afterwards: "registers again with its validation key",
  },
  {
    name: "CFEngine",
    resets: [
      "/var/cfengine/ppkeys/localhost.priv",
      "/var/cfengine/ppkeys/localhost.pub",
      "/var/cfengine/state/*",
    ],
    afterwards: "cf-key makes a new pair",
  },
  {
    name: "Ansible",
    resets: [
      "/root/.ansible/tmp",
      "/root/.ansible/cp",
      "/root/.ansible/facts_cache",
      "~/.ansible/tmp",
      "~/.ansible/cp",
      "~/.ansible/facts_cache",
    ],
    reports: ["/root/.vault_pass*", "~/.vault_pass*", "/etc/ansible/*vault*pass*"],
    afterwards: "facts are gathered again",
  },
  // Directories and authentication
  {
    name: "Kerberos",
    resets: ["/etc/krb5.keytab", "/var/lib/gssproxy/clients/*"],
    reports: [
      "/var/kerberos/krb5kdc/principal*",
      "/var/kerberos/krb5kdc/.k5*",
      "/var/kerberos/krb5/user/*/*.keytab",
    ],
    afterwards: "the host must rejoin its realm",
  },
  {
    name: "SSSD",
    resets: [
      "/var/lib/sss/db/*",
      "/var/lib/sss/mc/*",
      "/var/lib/sss/pubconf/*",
      "/var/lib/sss/secrets/*",
      "/var/lib/sss/secrets/.secrets*",
      "/var/lib/sss/keytabs/*",
      "/var/lib/sss/gpo_cache/*",
      "/var/log/sssd/*",
    ],
    afterwards: anew,
  },
  {
    name: "FreeIPA client",
    resets: [
      "/etc/ipa/default.conf",
      "/etc/ipa/ca.crt",
      "/etc/ipa/nssdb/*",
      "/var/lib/ipa-client/sysrestore/*",
      "/var/lib/ipa-client/pki/*",
    ],
    afterwards: "the host must rejoin",
  },
  {
    name: "certmonger",
    resets: ["/var/lib/certmonger/local/*"],
    reports: ["/var/lib/certmonger/requests/*"],
    afterwards: "regenerates its local authority; a request belongs to an issued certificate",
  },
  {
    name: "Samba and winbind",
    resets: [
      "/var/lib/samba/*",
      "/var/lib/samba/*/*",
      "/var/cache/samba/*",
      "/etc/samba/secrets.tdb",
      "/etc/samba/passdb.tdb",
      "/etc/samba/MACHINE.SID",
    ],
    afterwards: "regenerates its databases and SID; the host must join again",
  },
  // Monitoring and inventory
  {
    name: "Netdata",
    resets: [
      "/var/lib/netdata/registry/*",
      "/var/lib/netdata/cloud.d/*",
      "/var/lib/netdata/bearer_tokens/*",
      "/opt/netdata/var/lib/netdata/registry/*",
      "/opt/netdata/var/lib/netdata/cloud.d/*",
    ],
    afterwards: `${anew}; it has to be claimed again`,
  },
  {
    name: "Zabbix agent",
    reports: ["/etc/zabbix/*.psk", "/etc/zabbix/*/*.psk"],
    afterwards: "each host should have its own key",
  },
  {
    name: "Datadog agent",
    resets: ["/etc/datadog-agent/auth_token", "/etc/datadog-agent/ipc_cert.pem", "/opt/datadog-agent/run/*"],
    reports: ["/etc/datadog-agent/datadog.yaml"],
    looks: /^\s*api_key:\s*\S{32}/m,
    afterwards: anew,
  },
  {
    name: "New Relic",
    resets: ["/var/db/newrelic-infra/data/*", "/var/db/newrelic-infra/.inventory*"],
    reports: ["/etc/newrelic-infra.yml", "/etc/newrelic/nrsysmond.cfg"],
    looks: /^\s*license_key\s*[:=]\s*\S{40}/m,
    afterwards: anew,
  },
  {
    name: "Splunk",
    resets: ["/opt/splunk*/etc/instance.cfg", "/opt/splunk*/etc/auth/server.pem"],
    reports: ["/opt/splunk*/etc/auth/splunk.secret", "/opt/splunk*/etc/passwd"],
    afterwards:
      "generates a new GUID and certificate; host names in inputs.conf and server.conf are searched for",
  },
  {
    name: "Elastic Beats",
    resets: ["filebeat", "metricbeat", "auditbeat", "packetbeat", "heartbeat", "journalbeat"].flatMap(
      (beat) => [`/var/lib/${beat}/meta.json`, `/var/lib/${beat}/registry`],
    ),
    afterwards: anew,
  },
  {
    name: "Elastic Agent",
    reports: ["/opt/Elastic/Agent/fleet.enc", "/etc/elastic-agent/fleet.enc", "/opt/Elastic/Agent/.*.seed"],
    afterwards: "has to be enrolled in each clone",
  },
  {
    name: "Grafana Agent and Alloy",
    resets: [
      "/var/lib/grafana-agent/agent_seed.json",
      "/var/lib/alloy/data/alloy_seed.json",
      "/etc/agent/agent_seed.json",
    ],
    afterwards: anew,
  },
  {
    name: "Wazuh and OSSEC",
    reports: ["/var/ossec/etc/client.keys", "/var/ossec/etc/authd.pass"],
    afterwards: "the agent has to be enrolled in each clone",
  },
  {
    name: "osquery",
    resets: ["/var/osquery/osquery.db"],
    reports: ["/etc/osquery/*secret*"],
    afterwards: anew,
  },
  {
    name: "Fleet's orbit",
    resets: ["/opt/orbit/secret-orbit-node-key.txt", "/opt/orbit/identifier", "/opt/orbit/osquery.db"],
    reports: ["/opt/orbit/secret.txt"],
    afterwards: "enrolls again",
  },
  {
    name: "Qualys cloud agent",
    resets: ["/etc/qualys/hostid", "/usr/local/qualys/cloud-agent/*.db"],
    afterwards: register,
  },
  {
    name: "Nessus agent",
    resets: ["/etc/tenable_tag"],
    reports: ["/opt/nessus_agent/var/nessus/*.key", "/opt/nessus_agent/var/nessus/uuid"],
    afterwards: register,
  },
  {
    name: "CrowdStrike Falcon",
    reports: ["/opt/CrowdStrike/falconstore"],
    afterwards: "`falconctl -d -f --aid` in the build removes its agent ID",
  },
  { name: "Tanium", reports: ["/opt/Tanium/TaniumClient/pki.db"], afterwards: register },
  {
    name: "BigFix",
    reports: ["/var/opt/BESClient/besclient.config"],
    looks: /ComputerID/,
    afterwards: register,
  },
  {
    name: "net-snmp",
    // The second path is EL5's.
    resets: ["/var/lib/net-snmp/snmpd.conf", "/var/net-snmp/snmpd.conf"],
    afterwards: "generates a new engine ID at start",
  },
  {
    name: "OpenPegasus",
    resets: [
      "/etc/Pegasus/*.cnf",
      "/etc/Pegasus/*.crt",
      "/etc/Pegasus/*.csr",
      "/etc/Pegasus/*.pem",
      "/etc/Pegasus/*.srl",
    ],
    afterwards: anew,
  },
  {
    name: "Logstash and Kibana",
    resets: ["/var/lib/logstash/uuid", "/var/lib/kibana/uuid"],
    afterwards: anew,
  },
  {
    name: "Icinga 2",
    reports: ["/var/lib/icinga2/certs/ticket"],
    afterwards: "a ticket signs the certificate of one host",
  },
  {
    name: "OCS Inventory",
    resets: ["/var/lib/ocsinventory-agent/*/*"],
    reports: ["/etc/ocsinventory/ocsinv.adm"],
    afterwards: anew,
  },
  {
    name: "FusionInventory and GLPI agent",
    resets: ["/var/lib/fusioninventory-agent/*.dump", "/var/lib/glpi-agent/*.dump"],
    afterwards: anew,
  },
  {
    name: "Checkmk agent",
    reports: [
      "/var/lib/check_mk_agent/registered_connections.json",
      "/var/lib/cmk-agent/registered_connections.json",
    ],
    afterwards: register,
  },
  {
    name: "Dynatrace OneAgent",
    reports: ["/var/lib/dynatrace/oneagent/agent/config/*.id", "/opt/dynatrace/oneagent/agent/config/*.id"],
    afterwards: "install it in each clone",
  },
  {
    name: "SentinelOne",
    reports: [
      "/opt/sentinelone/configuration/registration_token.conf",
      "/opt/sentinelone/configuration/basic.conf",
    ],
    afterwards: register,
  },
  { name: "Carbon Black", reports: ["/var/lib/cb/sensor*"], afterwards: register },
  {
    name: "Microsoft Defender",
    reports: ["/etc/opt/microsoft/mdatp/mdatp_onboard.json", "/var/opt/microsoft/mdatp/wdavedr"],
    afterwards: "onboard each clone",
  },
  {
    name: "McAfee and Trellix agent",
    reports: [
      "/etc/ma.d/agent.guid",
      "/etc/ma.d/*/config.xml",
      "/etc/cma.d/*/config.xml",
      "/var/McAfee/agent/db/*",
      "/var/McAfee/agent/keystore/*",
    ],
    afterwards: "`maconfig -enforce -noguid` in the build removes its GUID",
  },
  {
    name: "Trend Micro Deep Security",
    reports: ["/var/opt/ds_agent/dsa_core/ds_agent*.config", "/var/opt/ds_agent/dsa_core/ds_agent*.crt"],
    afterwards: "`dsa_control -r` in the build removes its identity",
  },
  { name: "ESET", reports: ["/var/opt/eset/RemoteAdministrator/Agent/*"], afterwards: register },
  { name: "ClamAV", resets: ["/var/lib/clamav/freshclam.dat"], afterwards: anew },
  {
    name: "Tripwire",
    reports: ["/etc/tripwire/*.key"],
    afterwards: "each host should have its own keys",
  },
  // Clouds
  { name: "Azure's agent (WALinuxAgent)", resets: ["/var/lib/waagent/*"], afterwards: anew },
  {
    name: "Google's guest agent",
    resets: [
      "/etc/default/instance_configs.cfg",
      "/etc/instance_configs.cfg",
      "/etc/boto.cfg",
      "/var/lib/google/*",
      // instance_id_dir of the agent's instance_configs.cfg is /etc.
      "/etc/google_instance_id",
      "/etc/instance_id",
    ],
    afterwards: anew,
  },
  { name: "AWS Systems Manager", resets: ["/var/lib/amazon/ssm/*"], afterwards: register },
  { name: "Amazon ECS agent", resets: ["/var/lib/ecs/data/*"], afterwards: register },
  {
    name: "Oracle Cloud agent",
    resets: [
      "/var/lib/oracle-cloud-agent/tmp/*",
      "/var/lib/oci-utils/*",
      "/etc/oracle-cloud-agent/plugins/*/*.key",
    ],
    afterwards: anew,
  },
  {
    name: "OS Management Hub",
    reports: ["/etc/oracle-cloud-agent/plugins/osmh/*", "/var/lib/oracle-cloud-agent/plugins/osmh/*"],
    looks: /ocid1\.|PRIVATE KEY/,
    afterwards: register,
  },
  // Remote access and networks
  {
    name: "Tailscale",
    resets: ["/var/lib/tailscale/*"],
    afterwards: "generates new keys, and must log in again",
  },
  {
    name: "ZeroTier",
    resets: ["/var/lib/zerotier-one/identity.*", "/var/lib/zerotier-one/authtoken.secret"],
    afterwards: anew,
  },
  {
    name: "WireGuard",
    reports: ["/etc/wireguard/*.conf"],
    looks: /^\s*(?:PrivateKey|PresharedKey)\s*=\s*\S/im,
    afterwards: "each peer should have its own key",
  },
  {
    name: "IPsec",
    reports: [
      "/etc/ipsec.secrets",
      "/etc/ipsec.d/*.secrets",
      "/etc/strongswan/ipsec.secrets",
      "/etc/swanctl/private/*",
      "/etc/strongswan/swanctl/private/*",
      "/var/lib/ipsec/nss/key*.db",
    ],
    looks: /^\s*[^#\s](?!nclude\b)/m,
    afterwards: "each host should have its own keys",
  },
  {
    name: "Tor",
    reports: ["/var/lib/tor/keys/*", "/var/lib/tor/*/hostname", "/var/lib/tor/*/private_key"],
    afterwards: "all clones would be the same relay or service",
  },
  {
    name: "Teleport",
    resets: ["/var/lib/teleport/host_uuid", "/var/lib/teleport/proc/*"],
    afterwards: register,
  },
  {
    name: "Cloudflare tunnel",
    reports: ["/etc/cloudflared/*.json", "/root/.cloudflared/*.json", "/root/.cloudflared/cert.pem"],
    afterwards: "all clones would be the same tunnel",
  },
  {
    name: "Open vSwitch",
    resets: ["/etc/openvswitch/system-id.conf"],
    reports: ["/etc/openvswitch/conf.db"],
    looks: /[\da-f]{8}-(?:[\da-f]{4}-){3}[\da-f]{12}/,
    afterwards: "ovs-ctl makes a new id; its database has the bridges of the build",
  },
  {
    name: "OpenVPN",
    reports: [
      "/etc/openvpn/*auth*.txt",
      "/etc/openvpn/*/*auth*.txt",
      "/etc/openvpn/*pass*",
      "/etc/openvpn/*/*pass*",
    ],
    afterwards: "opens a network",
  },
  {
    name: "racoon",
    reports: ["/etc/racoon/psk.txt"],
    looks: /^\s*[^#\s]/m,
    afterwards: "each host should have its own keys",
  },
  {
    name: "chrony and ntpd",
    resets: ["/var/lib/ntp/drift", "/var/lib/chrony/drift"],
    reports: ["/etc/chrony.keys", "/etc/chrony/chrony.keys", "/etc/ntp/keys", "/etc/ntp/crypto/ntpkey_*"],
    looks: /^\s*\d+\s+\S+|PRIVATE KEY/m,
    afterwards: "measures the drift of the clock again",
  },
  { name: "Bluetooth", resets: ["/var/lib/bluetooth/*"], afterwards: anew },
  {
    name: "BIND's rndc",
    resets: ["/etc/rndc.key"],
    afterwards: "generates a new key at the service's first start",
  },
  {
    name: "Unbound",
    resets: [
      "/etc/unbound/unbound_server.key",
      "/etc/unbound/unbound_server.pem",
      "/etc/unbound/unbound_control.key",
      "/etc/unbound/unbound_control.pem",
    ],
    madeBy: "/usr/lib/systemd/system/unbound-keygen.service",
    afterwards: "unbound-keygen makes new keys",
  },
  // Web, mail, printing, consoles
  {
    name: "mod_ssl",
    resets: ["/etc/pki/tls/private/localhost.key", "/etc/pki/tls/certs/localhost.crt"],
    madeBy: "/usr/libexec/httpd-ssl-gencerts",
    afterwards: "httpd-init makes a new key from OL8 on; before, the package made it once",
  },
  { name: "Cockpit", resets: ["/etc/cockpit/ws-certs.d/0-self-signed*"], afterwards: anew },
  { name: "CUPS", resets: ["/etc/cups/ssl/*"], afterwards: anew },
  { name: "Dovecot", resets: ["/var/lib/dovecot/*"], afterwards: anew },
  { name: "fwupd", resets: ["/var/lib/fwupd/pki/*"], afterwards: anew },
  // Databases, queues, stores
  {
    name: "MySQL",
    resets: [
      "/var/lib/mysql/auto.cnf",
      // It generates them only if none exists (auto_generate_certs in its manual).
      ...[
        "ca",
        "ca-key",
        "server-cert",
        "server-key",
        "client-cert",
        "client-key",
        "private_key",
        "public_key",
      ].map((name) => `/var/lib/mysql/${name}.pem`),
    ],
    reports: ["/root/.mysql_secret"],
    afterwards: "generates a new UUID and keys at start",
  },
  {
    name: "MariaDB Galera",
    reports: ["/var/lib/mysql/grastate.dat", "/var/lib/mysql/gvwstate.dat"],
    afterwards: "a node must rejoin its cluster",
  },
  {
    name: "PostgreSQL",
    reports: ["/var/lib/pgsql/data/global/pg_control", "/var/lib/pgsql/*/data/global/pg_control"],
    afterwards: "clones share its system identifier and its data",
  },
  {
    name: "Redis",
    reports: ["/var/lib/redis/nodes.conf", "/var/lib/redis/*/nodes.conf"],
    afterwards: "each node of a cluster has its own ID",
  },
  {
    name: "RabbitMQ and Erlang",
    resets: ["/var/lib/rabbitmq/.erlang.cookie", "/root/.erlang.cookie", "~/.erlang.cookie"],
    afterwards: anew,
  },
  {
    name: "Elasticsearch and OpenSearch",
    reports: [
      "/var/lib/elasticsearch/nodes",
      "/var/lib/elasticsearch/_state",
      "/var/lib/opensearch/nodes",
      "/etc/elasticsearch/elasticsearch.keystore",
    ],
    afterwards: "its data has the id of its node; start the template without data",
  },
  {
    name: "Kafka",
    reports: [
      "/var/lib/kafka*/meta.properties",
      "/var/lib/kafka*/*/meta.properties",
      "/var/kafka-logs/meta.properties",
    ],
    afterwards: "format its storage in each clone",
  },
  {
    name: "ZooKeeper",
    reports: ["/var/lib/zookeeper/myid", "/var/lib/zookeeper/data/myid"],
    afterwards: "each server has its own number",
  },
  {
    name: "GlusterFS",
    resets: ["/var/lib/glusterd/glusterd.info", "/var/lib/glusterd/peers/*"],
    afterwards: "generates a new UUID at start",
  },
  {
    name: "Ceph",
    reports: ["/etc/ceph/*.keyring", "/var/lib/ceph/*/*/keyring"],
    afterwards: "each daemon has its own key",
  },
  {
    name: "Jenkins",
    resets: ["/var/lib/jenkins/identity.key.enc"],
    reports: ["/var/lib/jenkins/secrets/master.key", "/var/lib/jenkins/secret.key"],
    afterwards: "generates a new identity; its secrets open its credentials",
  },
  {
    name: "GitLab runner",
    resets: ["/etc/gitlab-runner/.runner_system_id"],
    reports: ["/etc/gitlab-runner/config.toml"],
    looks: /^\s*token\s*=\s*"\S+"/m,
    afterwards: register,
  },
  {
    name: "Actions runner and Azure Pipelines agent",
    reports: ["/opt/*/.credentials*", "/home/*/actions-runner/.credentials*"],
    afterwards: register,
  },
  // Clusters and containers
  {
    name: "Docker",
    resets: ["/var/lib/docker/engine-id", "/etc/docker/key.json"],
    reports: [
      "/var/lib/docker/swarm/certificates",
      "/var/lib/docker/swarm/docker-state.json",
      "/var/lib/docker/swarm/state.json",
      "/var/lib/docker/swarm/raft",
      "/var/lib/docker/swarm/worker",
    ],
    afterwards: "generates a new ID; a node must rejoin its swarm",
  },
  {
    name: "kubelet and kubeadm",
    resets: ["/var/lib/kubelet/pki/*"],
    reports: [
      "/etc/kubernetes/*.conf",
      "/etc/kubernetes/pki/*.key",
      "/etc/kubernetes/pki/etcd/*.key",
      "/var/lib/kubelet/*kubeconfig",
      "/etc/cni/net.d/*kubeconfig",
    ],
    looks: /client-key-data:|token:\s*\S|client-certificate:|PRIVATE KEY/,
    afterwards: "a node must rejoin with kubeadm",
  },
  {
    name: "etcd",
    reports: ["/var/lib/etcd/member", "/var/lib/etcd/*/member"],
    afterwards: "its data has the id of its member",
  },
  {
    name: "K3s and RKE2",
    resets: [
      "/etc/rancher/node/password",
      "/var/lib/rancher/*/agent/*.key",
      "/var/lib/rancher/*/agent/*.crt",
      "/var/lib/rancher/*/agent/*.kubeconfig",
    ],
    reports: [
      "/var/lib/rancher/*/server/token",
      "/var/lib/rancher/*/server/*-token",
      "/var/lib/rancher/*/server/cred",
      "/var/lib/rancher/*/server/db",
    ],
    afterwards: "an agent rejoins at start",
  },
  {
    name: "Consul",
    resets: ["/opt/consul/node-id", "/opt/consul/data/node-id", "/var/lib/consul/node-id"],
    reports: [
      "/opt/consul/serf/*.keyring",
      "/opt/consul/data/serf/*.keyring",
      "/var/lib/consul/serf/*.keyring",
      "/etc/consul.d/*",
    ],
    looks: /"?encrypt"?\s*[:=]\s*"|"?tokens?"?\s*[:={]|^\W*\["?[\w+/]{20}/m,
    afterwards: "generates a new ID at start",
  },
  {
    name: "Nomad",
    resets: [
      "/opt/nomad/data/client/client-id",
      "/opt/nomad/data/client/secret-id",
      "/opt/nomad/data/server/node-id",
      "/var/lib/nomad/client/client-id",
      "/var/lib/nomad/client/secret-id",
      "/var/lib/nomad/server/node-id",
    ],
    reports: ["/opt/nomad/data/server/serf.keyring", "/var/lib/nomad/server/serf.keyring", "/etc/nomad.d/*"],
    looks: /encrypt\s*=\s*"|token\s*=\s*"|^\W*\["?[\w+/]{20}/m,
    afterwards: "generates a new ID at start",
  },
  {
    name: "Vault",
    reports: ["/opt/vault/data/*", "/var/lib/vault/*", "/etc/vault.d/*secret*", "/etc/vault.d/*role*"],
    afterwards: "its data has the id of its node",
  },
  {
    name: "DRBD, Heartbeat and cman",
    resets: ["/var/lib/heartbeat/hb_uuid"],
    reports: ["/etc/ha.d/authkeys", "/etc/cluster/fence_xvm.key"],
    afterwards: "Heartbeat makes a new ID at start",
  },
  {
    name: "libvirt",
    reports: ["/etc/libvirt/passwd.db", "/etc/libvirt/secrets/*"],
    afterwards: "opens the daemon",
  },
  {
    name: "corosync",
    resets: ["/var/lib/corosync/ringid_*"],
    reports: ["/etc/corosync/authkey", "/etc/booth/*.key"],
    afterwards: "a cluster of clones would share the keys of the build's cluster",
  },
  {
    name: "the nodes of corosync",
    reports: ["/etc/corosync/corosync.conf"],
    looks: /^\s*(?:ring\d+_addr|nodeid)\s*:/m,
    afterwards: "has the addresses and numbers of the cluster's nodes",
  },
  {
    name: "OCFS2",
    reports: ["/etc/ocfs2/cluster.conf"],
    looks: /^\s*ip_address\s*=/m,
    afterwards: "has the addresses and numbers of the cluster's nodes",
  },
  {
    name: "DRBD's resources",
    reports: ["/etc/drbd.conf", "/etc/drbd.d/*.res"],
    looks: /^(?:[^#\n]*[\s{])?address\s+\S/m,
    afterwards: "has the addresses of both nodes",
  },
  {
    name: "LIO's targets",
    reports: ["/etc/target/saveconfig.json"],
    looks: /"wwn"\s*:\s*"(?:iqn|naa|eui)\./,
    afterwards: "all clones would offer the same targets",
  },
  {
    name: "Pacemaker and pcs",
    resets: ["/var/lib/pcsd/pcsd.crt", "/var/lib/pcsd/pcsd.key", "/var/lib/pcsd/pcsd.cookiesecret"],
    reports: [
      "/etc/pacemaker/authkey",
      "/var/lib/pcsd/known-hosts",
      "/var/lib/pcsd/tokens",
      "/var/lib/pacemaker/cib/cib.xml",
    ],
    afterwards: "pcsd generates a new certificate; a node must rejoin",
  },
  {
    name: "iSCSI",
    reports: ["/var/lib/iscsi/nodes/*", "/etc/iscsi/iscsid.conf"],
    looks: /^\s*node\.session\.auth\.password\s*=\s*\S|^\s*discovery\.sendtargets\.auth\.password\s*=\s*\S/m,
    afterwards: "clones would log in to the storage of the build",
  },
  { name: "multipath", resets: ["/etc/multipath/prkeys"], afterwards: anew },
  {
    name: "Ksplice Uptrack",
    resets: ["/var/lib/uptrack/uuid"],
    reports: ["/etc/uptrack/uptrack.conf"],
    looks: /^\s*accesskey\s*=\s*[\da-f]{16}/im,
    afterwards: "counts as a new host; its access key opens the account",
  },
  {
    name: "NetBackup",
    reports: ["/usr/openv/var/vxss/credentials/*", "/usr/openv/var/vxss/certmapinfo.json"],
    afterwards: register,
  },
  {
    name: "Tivoli Storage Manager",
    reports: ["/etc/adsm/*", "/opt/tivoli/guid/*"],
    afterwards: "each node has its own name and password",
  },
  {
    name: "Networker",
    resets: ["/nsr/res/nsrladb/*"],
    afterwards: "nsrexecd makes its database with a new client ID",
  },
  { name: "Commvault", reports: ["/etc/CommVaultRegistry/Galaxy/*/*/.properties"], afterwards: register },
  {
    name: "VMware Tools",
    reports: ["/var/lib/vmware/VGAuth/aliasStore/*"],
    afterwards: "allows others to run programs in the guest",
  },
  { name: "QEMU guest agent", resets: ["/var/lib/qemu-ga/*"], afterwards: anew },
  {
    name: "Host ID",
    resets: ["/etc/hostid"],
    afterwards: "gethostid(3) derives one from the IP address",
  },
  {
    name: "mdadm",
    reports: ["/etc/mdadm.conf", "/etc/mdadm/mdadm.conf"],
    looks: /^\s*ARRAY\b.*\bUUID=/im,
    afterwards: "clones have arrays with the same UUID",
  },
  // The system's own daemons
  { name: "tuned", resets: ["/var/lib/tuned/*"], afterwards: anew },
  {
    name: "PAM and sudo",
    resets: [
      "/var/lib/pam_timestamp/*",
      "/var/run/sudo/*",
      "/var/db/sudo/*",
      "/var/run/console/*",
      "/var/run/faillock/*",
      "/var/run/sepermit/*",
    ],
    afterwards: anew,
  },
  {
    name: "Desktop sessions",
    resets: ["/var/lib/AccountsService/users/*", "/var/lib/fprint/*", "/var/cache/gdm/*"],
    afterwards: anew,
  },
  {
    name: "logrotate",
    resets: ["/var/lib/logrotate.status", "/var/lib/logrotate/logrotate.status"],
    afterwards: anew,
  },
  {
    name: "locate",
    resets: ["/var/lib/mlocate/mlocate.db", "/var/lib/plocate/plocate.db"],
    afterwards: "updatedb rebuilds its list",
  },
  { name: "BIND's log", resets: ["/var/named/data/named.run"], afterwards: anew },
  {
    name: "Subscription manager's facts",
    resets: ["/var/lib/rhsm/facts/*"],
    reports: ["/etc/rhsm/facts/*.facts"],
    looks: /[\da-f]{8}-(?:[\da-f]{4}-){3}[\da-f]{12}/i,
    afterwards: "gathers facts again; a fact that was set manually is the same in every clone",
  },
  {
    name: "LVM",
    reports: ["/etc/lvm/lvmlocal.conf"],
    looks: /^\s*(?:system_id|host_id)\s*=/m,
    afterwards: "all clones would own the same volume groups (lvmsystemid(7))",
  },
  {
    name: "Fonts and manual pages",
    resets: ["/var/cache/fontconfig/*", "/var/cache/man/*"],
    afterwards: "fc-cache and mandb rebuild their caches",
  },
  // Passwords in files of the system
  {
    name: "LDAP and SSSD",
    reports: [
      "/etc/ldap.secret",
      "/etc/openldap/ldap.secret",
      "/etc/pam_ldap.secret",
      "/etc/sssd/sssd.conf",
      "/etc/sssd/conf.d/*.conf",
      "/etc/nslcd.conf",
    ],
    looks: /^\s*(?:ldap_default_authtok\s*=|bindpw\s)\s*\S|^[^\s=[#]+\s*$/m,
    afterwards: "opens a directory",
  },
  {
    name: "PPP",
    reports: ["/etc/ppp/*-secrets", "/etc/xl2tpd/*-secrets"],
    looks: /^\s*[^#\s]/m,
    afterwards: "opens a network",
  },
  {
    name: "wpa_supplicant",
    reports: ["/etc/wpa_supplicant/*.conf"],
    looks: /^\s*(?:psk|password|wep_key\d|private_key_passwd)\s*=\s*\S/m,
    afterwards: "opens a network",
  },
  {
    name: "SNMP",
    reports: ["/etc/snmp/snmpd.conf", "/etc/snmp/snmpd.local.conf"],
    looks: /^\s*(?:r[ow]community6?\s+(?!public\b|private\b)\S|createUser\s+\S)/m,
    afterwards: "opens the agent",
  },
  { name: "rsync", reports: ["/etc/rsyncd.secrets", "/etc/rsyncd.scrt"], afterwards: "opens the daemon" },
  {
    name: "Squid and httpd",
    reports: [
      "/etc/squid/passwd",
      "/etc/httpd/*htpasswd*",
      "/etc/httpd/conf*/*htpasswd*",
      "/etc/nginx/*htpasswd*",
    ],
    afterwards: "opens a service",
  },
  {
    name: "Postfix",
    reports: ["/etc/postfix/sasl_passwd*", "/etc/postfix/*/sasl_passwd*"],
    looks: /^\s*[^#\s]|\0/m,
    afterwards: "opens a relay",
  },
  {
    name: "Sendmail",
    reports: ["/etc/mail/authinfo*", "/etc/mail/auth-info*", "/etc/mail/*/*auth*"],
    looks: /"P[:=]|\0/,
    afterwards: "opens a relay",
  },
  { name: "Dogtag", reports: ["/etc/pki/*/password.conf"], afterwards: "opens the key store" },
  {
    name: "AppDynamics",
    reports: ["/opt/appdynamics/*/conf/controller-info.xml"],
    looks: /<account-access-key>[^<\s]/,
    afterwards: "opens the account",
  },
];

/** Credentials in home folders that grant access elsewhere. */
export const peoplesSecrets: readonly Agent[] = [
  {
    name: "AWS",
    reports: [".aws/credentials", ".aws/sso/cache/*", ".aws/cli/cache/*"],
    afterwards: "opens an account",
  },
  {
    name: "Oracle Cloud",
    reports: [".oci/config", ".oci/*.pem"],
    looks: /^\s*(?:fingerprint|key_file|pass_phrase)\s*=|PRIVATE KEY/m,
    afterwards: "opens a tenancy",
  },
  {
    name: "Azure",
    reports: [".azure/msal_token_cache.*", ".azure/accessTokens.json", ".azure/service_principal_entries.*"],
    afterwards: "opens a subscription",
  },
  {
    name: "Google Cloud",
    reports: [
      ".config/gcloud/credentials.db",
      ".config/gcloud/access_tokens.db",
      ".config/gcloud/application_default_credentials.json",
      ".config/gcloud/legacy_credentials",
    ],
    afterwards: "opens a project",
  },
  {
    name: "Kubernetes",
    reports: [".kube/config"],
    looks: /client-key-data:|token:\s*\S|password:\s*\S/,
    afterwards: "opens a cluster",
  },
  {
    name: "Container registries",
    reports: [".docker/config.json", ".config/containers/auth.json"],
    looks: /"(?:auth|identitytoken|registrytoken|password)"\s*:\s*"[^"]/,
    afterwards: "opens a registry",
  },
  {
    name: "Logins by name",
    reports: [".netrc", ".authinfo", ".fetchmailrc", ".msmtprc", ".curlrc", ".wgetrc"],
    looks: /password\b|^\s*-{0,2}(?:u|user|proxy-user|oauth2-bearer)\b/im,
    afterwards: "opens an account",
  },
  {
    name: "git",
    reports: [
      ".git-credentials",
      ".config/git/credentials",
      ".config/gh/hosts.yml",
      ".config/hub",
      ".config/glab-cli/config.yml",
    ],
    looks: /\/\/[^/\s:]+:[^/\s@]+@|token:\s*\S/,
    afterwards: "opens repositories",
  },
  {
    name: "MySQL",
    reports: [".my.cnf", ".mylogin.cnf"],
    looks: /^\s*password\s*=\s*\S|\0/m,
    afterwards: "opens a database",
  },
  { name: "PostgreSQL", reports: [".pgpass"], afterwards: "opens a database" },
  {
    name: "npm, PyPI, RubyGems, Cargo, Maven, Composer",
    reports: [
      ".npmrc",
      ".yarnrc.yml",
      ".pypirc",
      ".gem/credentials",
      ".cargo/credentials",
      ".cargo/credentials.toml",
      ".m2/settings.xml",
      ".composer/auth.json",
      ".config/composer/auth.json",
    ],
    looks: /_auth|_password|npmAuthToken|password|api_key|token|"http-basic"|rubygems/i,
    afterwards: "opens a package registry",
  },
  {
    name: "GnuPG",
    reports: [".gnupg/private-keys-v1.d/*", ".gnupg/secring.gpg"],
    afterwards: "is a private key",
  },
  {
    name: "Vault and Terraform",
    reports: [".vault-token", ".terraform.d/credentials.tfrc.json", ".terraformrc"],
    looks: /^[hs]\.|\btoken\b/m,
    afterwards: "opens a secret store",
  },
  {
    name: "Other storage",
    reports: [".s3cfg", ".boto", ".config/rclone/rclone.conf", ".smbcredentials", ".cifs*", ".smb/*cred*"],
    looks: /pass|secret|key/i,
    afterwards: "opens a store",
  },
  {
    name: "Oracle's clients",
    reports: [".sqldeveloper/*/connections*", ".sqldeveloper/*/*/connections*", ".dbtools/connections/*/*"],
    afterwards: "opens a database",
  },
  {
    name: "Borg",
    reports: [".config/borg/keys/*", ".config/borg/security/*/*"],
    afterwards: "opens a backup",
  },
  {
    name: "Key rings",
    reports: [".local/share/keyrings/*.keyring", ".subversion/auth/svn.simple/*", ".cvspass"],
    afterwards: "contains passwords",
  },
];
