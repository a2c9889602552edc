/* What the REST interface gives. Everything but the name may be missing: the page shows what there is. */

export interface Machine {
  uuid: string;
  name: string;
  id?: number;
  state: string;
  /** of the protocol; state.tsx has words for it */
  reason?: number;
  vcpus?: number;
  memory_bytes?: number;
  memory_used_bytes?: number;
  cpu_percent?: number;
  autostart?: boolean;
  persistent?: boolean;
  has_managed_save?: boolean;
  title?: string;
  description?: string;
  tags?: string[];
  addresses?: string[];
  disk_bps?: number;
  net_bps?: number;
  owner?: string | null;
}

export interface Disk {
  target: string;
  bus?: string;
  device?: string;
  source?: string;
  format?: string;
  capacity_bytes?: number;
  allocation_bytes?: number;
  readonly?: boolean;
}

export interface Nic {
  mac: string;
  type?: string;
  source?: string;
  model?: string;
  target?: string;
  link?: string;
  addresses?: string[];
}

export interface MachineDetails extends Machine {
  disks?: Disk[];
  interfaces?: Nic[];
  displays?: { type: string; port?: number; socket?: string; listen?: string }[];
  serials?: { type: string; alias?: string }[];
  snapshots?: number;
  pending?: boolean;
}

export interface Snapshot {
  name: string;
  parent?: string | null;
  current?: boolean;
  state?: string;
  created?: string;
  description?: string;
  disk_only?: boolean;
}

export interface Pool {
  name: string;
  uuid?: string;
  state?: string;
  type?: string;
  autostart?: boolean;
  persistent?: boolean;
  capacity_bytes?: number;
  allocation_bytes?: number;
  available_bytes?: number;
  path?: string;
  reason?: string | null;
}

export interface Volume {
  name: string;
  path?: string;
  type?: string;
  format?: string;
  capacity_bytes?: number;
  allocation_bytes?: number;
  modified?: string;
  used_by?: string[];
}

export interface Network {
  name: string;
  uuid?: string;
  active?: boolean;
  state?: string;
  bridge?: string;
  forward?: string;
  autostart?: boolean;
  persistent?: boolean;
  addresses?: string[];
}

export interface Lease {
  mac?: string;
  address?: string;
  hostname?: string;
  expires?: string;
}

export interface Host {
  hostname?: string;
  uri?: string;
  version?: string;
  qemu_version?: string;
  arch?: string;
  kvm?: boolean;
  cpu?: { model?: string; count?: number };
  memory?: { total_bytes?: number; free_bytes?: number; available_bytes?: number };
  cpu_percent?: number;
  uptime_s?: number;
}

export interface JournalEntry {
  cursor?: string | number;
  time?: string;
  kind?: string;
  object?: string;
  name?: string;
  what?: string;
  who?: string;
  from?: string;
  result?: string;
  detail?: string;
  /** unified, of the definition before and after */
  difference?: string | null;
}

export interface List<T> {
  items: T[];
}
