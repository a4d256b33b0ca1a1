/** Folder, id and ports of a cluster. */
export interface ClusterPlace {
  readonly folder: string;
  /** UUID of the cluster. */
  readonly fsid: string;
  readonly monPort: number;
  readonly rgwPort: number;
}

/**
 * ceph.conf of a cluster of one monitor, one OSD with objects in memory, and one gateway. Everything stays in the folder and on
 * the loopback interface, so that several clusters, and a real one, can run side by side.
 */
export function cephConf({ folder, fsid, monPort, rgwPort }: ClusterPlace): string {
  const settings: Readonly<Record<string, string | number | boolean>> = {
    fsid,
    mon_host: `v2:127.0.0.1:${monPort}`,
    public_addr: '127.0.0.1',
    cluster_addr: '127.0.0.1',
    ms_bind_ipv6: false,
    ms_bind_msgr1: false,
    // Without keys the monitor cannot encrypt, which is the default.
    auth_cluster_required: 'none',
    auth_service_required: 'none',
    auth_client_required: 'none',
    ms_mon_client_mode: 'crc',
    ms_mon_service_mode: 'crc',
    ms_mon_cluster_mode: 'crc',
    run_dir: folder,
    admin_socket: '',
    pid_file: '',
    crash_dir: folder,
    keyring: `${folder}/keyring`,
    log_file: `${folder}/$name.log`,
    mon_cluster_log_file: `${folder}/cluster.log`,
    mon_data: `${folder}/mon`,
    mon_data_avail_warn: 0,
    mon_data_avail_crit: 0,
    mon_allow_pool_size_one: true,
    // By default the monitor collects changes for a second; pools are created one after the other, so the waits add up.
    paxos_propose_interval: 0.01,
    paxos_min_wait: 0.01,
    osd_data: `${folder}/osd`,
    osd_objectstore: 'memstore',
    memstore_device_bytes: 8 * 1024 ** 3,
    osd_pool_default_size: 1,
    osd_pool_default_min_size: 1,
    osd_pool_default_pg_num: 1,
    osd_pool_default_pgp_num: 1,
    osd_crush_chooseleaf_type: 0,
    rgw_rados_pool_pg_num_min: 1,
    rgw_data: `${folder}/rgw`,
    rgw_frontends: `beast endpoint=127.0.0.1:${rgwPort} tcp_nodelay=1`,
  };
  const lines = Object.entries(settings).map(([key, value]) => `${key} = ${value}`);
  return `[global]\n${lines.join('\n')}\n`;
}
