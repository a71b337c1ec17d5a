"""What tells a station, what it is one of, and what is left out: records, the first that fits.

A new kind of station is one record in `LOCKS` or `LINES`; without one a variable of the kernel has
its own name and is one per machine, and anything else is called by the functions that use it.

=========  =======================================================================
scope      a machine has as many of them as
=========  =======================================================================
file       files that are mapped or opened: their locks, inodes, dentries
page       pages (folios) of files that are mapped
cgroup     memory cgroups in which processes run
node       NUMA nodes, or memory zones; those of a cgroup also per cgroup
machine    one
=========  =======================================================================
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

Scope = Literal["file", "page", "cgroup", "node", "machine"]
SCOPES: tuple[str, ...] = get_args(Scope)

EXCLUSIVE = ("spin", "write", "mutex", "rwsem_write", "folio")
"""Kinds of locks whose owner is alone; readers share theirs."""


@dataclass(frozen=True)
class Facts:
    """What is known of a lock or line before it has a name.

    Attributes
    ----------
    kind : str
        Of the lock (see `records.LockCount`), or line.
    file : str
        Whose inode it lies in, or empty.
    members : tuple of str
        Of that inode: the one that a lock is, or all in the line.
    variables : tuple of str
        Of the kernel: the one that a lock is, or all in the line.
    chains : tuple of tuple of str
        Functions that use it, innermost first, the most frequent chain first.
    page : bool
        It lies in a struct page.
    """

    kind: str
    file: str = ""
    members: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    chains: tuple[tuple[str, ...], ...] = ()
    page: bool = False

    @property
    def called(self) -> frozenset[str]:
        """All functions of all chains."""
        return frozenset(name for chain in self.chains for name in chain)


@dataclass(frozen=True)
class Rule:
    """A pattern and what it tells. What is empty does not matter; all else must fit.

    Attributes
    ----------
    name : str
        {file}, {members} and {variable} are filled in; for an exclusion, the reason.
    scope : Scope
    note : str
        What the demand depends on, and what of it is the guest's.
    kinds : tuple of str
    members, variables : tuple of str
        One of them is among those of the station.
    called : tuple of str
        One of these functions is in a chain.
    also : tuple of str
        So is one of these.
    first : tuple of str
        The most frequent chain has one of these among its first two.
    page : bool
    inode : bool
        It lies in a file's inode.
    """

    name: str
    scope: Scope = "machine"
    note: str = ""
    kinds: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    called: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    first: tuple[str, ...] = ()
    page: bool = False
    inode: bool = False

    def fits(self, facts: Facts) -> bool:
        """Return whether the facts are those of this rule."""
        first = facts.chains[0][:2] if facts.chains else ()
        return (
            (not self.kinds or facts.kind in self.kinds)
            and _any(self.members, facts.members)
            and _any(self.variables, facts.variables)
            and _any(self.called, facts.called)
            and _any(self.also, facts.called)
            and _any(self.first, first)
            and (not self.page or facts.page)
            and (not self.inode or bool(facts.file))
        )


def _any(wanted: tuple[str, ...], there: Iterable[str]) -> bool:
    return not wanted or any(name in wanted for name in there)


FORK_ONLY = "fork only"
PER_MM = "for each address space that is made and freed"

LOCKS = (
    Rule(
        "i_mmap_rwsem of {file}",
        "file",
        "grows with the processes that map the file and with those that run",
        kinds=("rwsem_write",),
        members=("i_mmap_rwsem",),
    ),
    Rule("{members} of {file}", "file", inode=True),
    Rule(
        "pcpu_lock",
        note=f"{PER_MM}: its counters, from 6.2 on",
        variables=("pcpu_lock",),
    ),
    Rule(
        "pcpu_alloc_mutex",
        note=f"{PER_MM}; pcpu_lock is taken inside, from 6.2 on",
        variables=("pcpu_alloc_mutex",),
    ),
    Rule("pgd_lock", note=PER_MM, variables=("pgd_lock",)),
    Rule(
        "percpu_counters_lock",
        note=f"{PER_MM}, with CPU hotplug, from 6.2 on",
        variables=("percpu_counters_lock",),
    ),
    Rule("delayed_uprobe_lock", note=PER_MM, variables=("delayed_uprobe_lock",)),
    Rule("aa_buffers_lock", note="AppArmor only, for each exec", variables=("aa_buffers_lock",)),
    Rule("tasklist_lock", note=FORK_ONLY, variables=("tasklist_lock",)),
    Rule("pidmap_lock", note=FORK_ONLY, variables=("pidmap_lock",)),
    Rule("css_set_lock", note=FORK_ONLY, variables=("css_set_lock",)),
    Rule("input_pool", note=FORK_ONLY, variables=("input_pool",)),
    Rule("binfmt_lock", note="for each exec", variables=("binfmt_lock",)),
    Rule(
        "folio_wait_table",
        "page",
        "a bucket of those who wait for a folio's lock",
        variables=("folio_wait_table",),
    ),
    Rule("{variable}", variables=()),
    Rule(
        "lruvec lru_lock",
        "node",
        "one per memory cgroup and node; for batches of pages that are added or freed",
        kinds=("spin",),
        called=("folio_lruvec_lock_irqsave", "folio_lruvec_lock", "folio_lruvec_lock_irq"),
    ),
    Rule(
        "memory cgroup's mm_list.lock",
        "cgroup",
        f"{PER_MM}, with the multi-generational LRU",
        kinds=("spin",),
        called=("lru_gen_add_mm", "lru_gen_del_mm"),
    ),
    Rule(
        "folio lock of a page copied on write",
        "page",
        "who waits sleeps; the copy of the page is made inside",
        kinds=("folio",),
        called=("__do_fault",),
    ),
    Rule(
        "folio lock of a page mapped by a fault near by",
        "page",
        "tried, not waited for",
        kinds=("folio",),
    ),
    Rule(
        "d_lock of a dentry", "file", kinds=("spin",), called=("__d_lookup", "dput", "lockref_get")
    ),
    Rule("list_lock of a slab", "node", "one per cache and node", called=("__slab_free",)),
)
"""A rule without patterns fits what the ones before it do not; `{variable}` only what has one."""

LINES = (
    Rule(
        "inode of {file}: i_count, i_writecount, i_readcount",
        "file",
        "for each open; i_readcount with IMA; more where the page cache's root is in this line",
        members=("i_count", "i_writecount", "i_readcount"),
    ),
    Rule(
        "inode of {file}: roots of page cache and mappings",
        "file",
        "read by faults, written under the file's locks",
        members=("i_pages", "i_mmap", "nrpages", "a_ops", "flags", "invalidate_lock"),
    ),
    Rule("inode of {file}: {members}", "file", inode=True),
    Rule(
        "struct page of a mapped file",
        "page",
        "its counts and flags; fewer and hotter with large folios",
        page=True,
    ),
    Rule(
        "AppArmor label of unconfined",
        note="its count: for each file opened, and exec",
        called=("apparmor_file_alloc_security", "apparmor_cred_prepare"),
    ),
    Rule(
        "mem_cgroup: mm_list.lock beside nodeinfo[]",
        "cgroup",
        "falsely shared: each statistic of a page reads what each exec writes",
        called=("lru_gen_add_mm", "lru_gen_del_mm"),
        also=(
            "__lruvec_stat_mod_folio",
            "__mod_lruvec_page_state",
            "__mod_lruvec_state",
            "folio_lruvec_lock_irqsave",
            "__mod_memcg_lruvec_state",
        ),
    ),
    Rule(
        "page_counter of a memory cgroup",
        "cgroup",
        "one per level of the hierarchy",
        first=("page_counter_cancel", "page_counter_uncharge", "page_counter_try_charge"),
    ),
    Rule(
        "dentry of an opened path",
        "file",
        "its count (lockref)",
        called=(
            "lockref_get_not_dead",
            "lockref_put_return",
            "lockref_get",
            "lockref_get_not_zero",
            "lockref_put_or_lock",
        ),
    ),
    Rule("tomoyo_kernel_domain", note="TOMOYO only", variables=("tomoyo_kernel_domain",)),
    Rule("init_user_ns", note="its count", variables=("init_user_ns",)),
    Rule("init_ucounts", note="its count", variables=("init_ucounts",)),
    Rule("init_pid_ns", note=FORK_ONLY, variables=("init_pid_ns",)),
    Rule("init_nsproxy", note=FORK_ONLY, variables=("init_nsproxy",)),
    Rule(
        "last_mm_ctx_id beside __userpte_alloc_gfp",
        note="falsely shared: each new page table reads what each exec writes",
        variables=("last_mm_ctx_id",),
    ),
    Rule("{variable}", variables=()),
    Rule(
        "statistics of a memory node",
        "node",
        "for batches of pages",
        first=("__mod_node_page_state", "refresh_cpu_vm_stats", "mod_node_page_state"),
    ),
    Rule(
        "statistics of a memory cgroup",
        "cgroup",
        "events, for each fault",
        first=("handle_mm_fault", "__count_memcg_events", "memcg_rstat_updated"),
    ),
)

LATER = "by time, not by iteration: the guest is slow, so it has more of this than a machine"
SMALL = "the guest has little memory per CPU, so its zones run low"
CLOCK = "the clock's ticks write it"
PART = "data of a lock, which counts it"
WRITTEN = "readers of a lock that others take alone, which counts its word"

EXCLUDED_LOCKS = (
    Rule(
        PART,
        first=(
            *("rwsem_wake", "rwsem_down_write_slowpath", "rwsem_down_read_slowpath"),
            *("__mutex_lock", "__mutex_unlock_slowpath"),
        ),
    ),
    Rule(LATER, called=("rcu_core", "note_gp_changes", "rcu_report_qs_rnp", "rcu_gp_kthread")),
    Rule(
        LATER,
        called=("try_to_wake_up", "task_work_run", "sched_exec", "scheduler_tick"),
        kinds=("spin",),
    ),
    Rule(SMALL, called=("rmqueue_bulk", "free_pcppages_bulk", "rmqueue_buddy")),
)
EXCLUDED_LINES = (
    Rule(PART, members=("i_mmap_rwsem",)),
    Rule(
        CLOCK,
        first=(
            "ktime_get",
            "ktime_get_coarse_real_ts64",
            "ktime_get_with_offset",
            "ktime_get_coarse_real_ts64_mg",
            "ktime_get_ts64",
            "ktime_get_real_ts64",
            "ktime_get_update_offsets_now",
            "ktime_get_coarse_with_offset",
        ),
    ),
    Rule(
        LATER,
        first=(
            "rcu_core",
            "note_gp_changes",
            "rcu_segcblist_enqueue",
            "__call_rcu_common",
            "call_rcu",
            "rcu_gp_kthread",
            "__note_gp_changes",
            "kvfree_call_rcu",
        ),
    ),
    Rule(
        LATER,
        called=(
            *("task_mm_cid_work", "try_to_wake_up", "hrtimer_interrupt", "psi_group_change"),
            *("nohz_balance_enter_idle", "nohz_balance_exit_idle", "update_process_times"),
        ),
    ),
    Rule(
        SMALL,
        first=(
            "cond_accept_memory",
            "get_page_from_freelist",
            "rmqueue_bulk",
            "free_pcppages_bulk",
            "__rmqueue_pcplist",
            "zone_watermark_fast",
        ),
    ),
    Rule(
        PART,
        first=(
            "lru_gen_add_folio",
            "lru_gen_del_folio",
            "lru_gen_update_size",
            "lru_add_fn",
            "lru_add",
            "mem_cgroup_update_lru_size",
            "pcpu_alloc_noprof",
            "pcpu_alloc",
            "pcpu_block_update_hint_alloc",
            "vma_interval_tree_insert",
            "vma_interval_tree_remove",
            "vma_interval_tree_augment_rotate",
            "pcpu_alloc_area",
            "pcpu_free_area",
            "free_percpu",
        ),
    ),
)
