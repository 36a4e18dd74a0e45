"""The kernel's wall around a process: Landlock, a seccomp filter, no privileges, hard limits. Linux only.

Landlock (version 1: Linux 5.13) names the folders that may be read and the one that may be written; versions
4 and 6 also shut TCP, signals and abstract sockets. The filter lets through the system calls of `CALLS` and
no others: no sockets, no processes, no signals, no `ptrace`, no device files, no links, no changes of mode or
owner, also where Landlock does not know of them. Neither can be taken off again, and both hold for native
code as well. What they leave: a program can ask whether a file exists, how large and how old it is.

References: Linux, Documentation/userspace-api/landlock.rst and seccomp_filter.rst.
"""

import contextlib
import ctypes
import os
import struct
import sys
from collections.abc import Iterable

NOBODY = 65534
READING = 1 << 2  # CAP_DAC_READ_SEARCH

# Name, number on x86-64, number on arm64 ("-": not there). What is not in here fails with ENOSYS.
CALLS = """
read 0 63, write 1 64, readv 19 65, writev 20 66, pread64 17 67, pwrite64 18 68, lseek 8 62, close 3 57,
close_range 436 436, dup 32 23, dup2 33 -, dup3 292 24, pipe 22 -, pipe2 293 59, stat 4 -, lstat 6 -,
fstat 5 80, newfstatat 262 79, statx 332 291, statfs 137 43, fstatfs 138 44, access 21 -, faccessat 269 48,
faccessat2 439 439, getdents 78 -, getdents64 217 61, getcwd 79 17, chdir 80 49, fchdir 81 50, readlink 89 -,
readlinkat 267 78, rename 82 -, renameat 264 38, mkdir 83 -, mkdirat 258 34, rmdir 84 -,
unlink 87 -, unlinkat 263 35, ftruncate 77 46, fsync 74 82, fdatasync 75 83, fadvise64 221 223,
sendfile 40 71, copy_file_range 326 285, umask 95 166, munmap 11 215, mprotect 10 226,
mremap 25 216, madvise 28 233, brk 12 214, futex 202 98, sched_yield 24 124, sched_getaffinity 204 123,
getcpu 309 168, restart_syscall 219 128, rt_sigaction 13 134, rt_sigprocmask 14 135, rt_sigreturn 15 139,
rt_sigpending 127 136, rt_sigsuspend 130 133, rt_sigtimedwait 128 137, sigaltstack 131 132, alarm 37 -,
pause 34 -, setitimer 38 103, getitimer 36 102, poll 7 -, ppoll 271 73, select 23 -, pselect6 270 72,
clock_gettime 228 113, clock_getres 229 114, clock_nanosleep 230 115, nanosleep 35 101, gettimeofday 96 169,
time 201 -, times 100 153, getrusage 98 165, getpid 39 172, getppid 110 173, gettid 186 178, getuid 102 174,
geteuid 107 175, getgid 104 176, getegid 108 177, getresuid 118 148, getresgid 120 150, getgroups 115 158,
uname 63 160, sysinfo 99 179, getrandom 318 278, exit 60 93, exit_group 231 94
"""
# Let through by an argument: its place, a mask, the values. fcntl also sets who gets a signal; an open
# for reading only that truncates is writing, which Landlock below version 3 does not see, and one for neither
# (3) is none that it sees. A shared mapping fills the disk with files that are in no folder any more.
CHECKED = """
fcntl 72 25 1 0xffffffff 0 1 2 3 4 5 6 7 1030, open 2 - 1 0o1003 0 1 2 0o1001 0o1002,
openat 257 56 2 0o1003 0 1 2 0o1001 0o1002, mmap 9 222 3 0xf 2, renameat2 316 276 4 0xffffffff 0
"""
# Machine -> column above, name of the architecture for the kernel (AUDIT_ARCH_*).
MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}

_PDEATHSIG, _DUMPABLE, _KEEPCAPS, _SECCOMP, _NO_NEW_PRIVS = 1, 4, 8, 22, 38
_CREATE, _ADD, _RESTRICT = 444, 445, 446  # Landlock's calls, equal on all machines
_ALLOW, _NOT_THERE, _KILL = 0x7FFF0000, 0x00050026, 0x80000000
_LOAD, _EQUAL, _AND, _RETURN = 0x20, 0x15, 0x54, 0x06

_EXECUTE, _WRITE, _READ, _LIST, _RMDIR, _REMOVE = (1 << n for n in range(6))
_MKDIR, _CREATE_FILE, _REFER, _TRUNCATE = 1 << 7, 1 << 8, 1 << 13, 1 << 14
_OWN = _WRITE | _READ | _LIST | _RMDIR | _REMOVE | _MKDIR | _CREATE_FILE | _REFER | _TRUNCATE


def _libc() -> ctypes.CDLL:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    return libc


def _done(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def _prctl(option: int, value: int, more: object = None) -> None:
    _done(_libc().prctl(option, ctypes.c_ulong(value), more, None, None))


def landlock_version() -> int:
    """The version of Landlock's interface; 0 where the kernel has none."""
    try:
        return max(0, int(_libc().syscall(_CREATE, None, ctypes.c_size_t(0), 1)))
    except (OSError, AttributeError):
        return 0


def no_wall() -> str:
    """Why the kernel gives no wall; "" where it does."""
    if sys.platform != "linux":
        return f"this system, {sys.platform}, has no Landlock"
    if (machine := os.uname().machine) not in MACHINES:
        return f"no filter of system calls is known for {machine}"
    if not landlock_version():
        return "the kernel has no Landlock, or it is not switched on (Linux 5.13 or later)"
    if _libc().prctl(21, 0, 0, 0, 0) < 0:  # PR_GET_SECCOMP
        return "the kernel has no seccomp filters"
    return ""


def restrict_files(readable: Iterable[str], folder: str) -> None:
    """Landlock: from now on files of `readable` are read, those of `folder` also written, others not opened.

    Raises OSError where the kernel refuses.
    """
    version, libc = landlock_version(), _libc()
    rights = (1 << 13) - 1 | _REFER * (version >= 2) | _TRUNCATE * (version >= 3)
    rights |= (1 << 15) * (version >= 5)
    attributes = struct.pack("=QQQ", rights, 3 * (version >= 4), 3 * (version >= 6))
    rules = _done(libc.syscall(_CREATE, attributes, ctypes.c_size_t(len(attributes)), 0))
    wanted = [(path, _READ | _LIST) for path in readable]
    for path, access in [*wanted, ("/dev/null", _READ | _WRITE), (folder, _OWN & rights)]:
        try:
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        possible = access if os.path.isdir(path) else access & (_READ | _WRITE)  # noqa: PTH112
        rule = struct.pack("=Qi", possible, place)
        _done(libc.syscall(_ADD, rules, 1, rule, 0))
        os.close(place)
    _prctl(_NO_NEW_PRIVS, 1)
    _done(libc.syscall(_RESTRICT, rules, 0))
    os.close(rules)


def filter_program(column: int, architecture: int) -> bytes:
    """The filter for a machine, as instructions of the classic Berkeley packet filter."""

    def step(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
        return struct.pack("=HBBI", code, yes, no, value)

    def among(values: Iterable[int]) -> bytes:
        return b"".join(step(_EQUAL, n, 0, 1) + step(_RETURN, _ALLOW) for n in values)

    rows = [line.split() for line in CALLS.strip().split(",")]
    parts = [step(_LOAD, 4), step(_EQUAL, architecture, 1), step(_RETURN, _KILL), step(_LOAD, 0)]
    parts.append(among(int(row[1 + column]) for row in rows if row[1 + column] != "-"))
    for row in (line.split() for line in CHECKED.strip().split(",")):
        place, mask, *values = (int(word, 0) for word in row[3:])
        if row[1 + column] != "-":
            inner = step(_LOAD, 16 + 8 * place) + step(_AND, mask)
            inner += among(values) + step(_RETURN, _NOT_THERE)
            parts.append(step(_EQUAL, int(row[1 + column]), 0, len(inner) // 8) + inner)
    return b"".join([*parts, step(_RETURN, _NOT_THERE)])


def restrict_calls() -> None:
    """The seccomp filter of this machine. Raises OSError where the kernel refuses."""
    program = filter_program(*MACHINES[os.uname().machine])
    held = ctypes.create_string_buffer(program, len(program))
    about = struct.pack("HP", len(program) // 8, ctypes.addressof(held))
    _prctl(_NO_NEW_PRIVS, 1)
    _prctl(_SECCOMP, 2, about)


def shut() -> None:
    """Let no other process of the user look inside. Nothing outside Linux."""
    if sys.platform == "linux":
        _prctl(_DUMPABLE, 0)


def end_with_parent() -> None:
    """Be killed when the parent ends. Nothing outside Linux."""
    if sys.platform == "linux":
        _prctl(_PDEATHSIG, 9)


def give_up_privileges(library: Iterable[str], walled: bool) -> None:
    """From root to nobody, for good; whoever it is keeps no capability and gains none.

    Where nobody can read the Python that runs (a root's own), the capability of reading is kept, but only
    behind the wall, which then says what that is. Raises PermissionError where root stays root.
    """
    reading = 0
    if os.geteuid() == 0 or os.getuid() == 0:
        os.setgroups([])
        os.setegid(NOBODY)
        os.seteuid(NOBODY)
        open_to_all = all(map(_readable, library))
        os.seteuid(0)
        if not open_to_all:
            if not walled:
                raise PermissionError("the user nobody cannot read the library of this Python")
            reading = READING
            _prctl(_KEEPCAPS, 1)
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    if sys.platform == "linux":
        header, sets = struct.pack("=Ii", 0x20080522, 0), (reading, reading, 0, 0, 0, 0)
        _done(_libc().capset(header, struct.pack("=6I", *sets)))
        _prctl(_NO_NEW_PRIVS, 1)
    if 0 in {os.getuid(), os.geteuid(), os.getgid(), os.getegid()}:
        raise PermissionError("the rights of root could not be given up")


def _readable(path: str) -> bool:
    try:
        os.close(os.open(path, os.O_RDONLY))
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def set_limits(limits: dict[str, int]) -> None:
    """Hard limits of the kernel: seconds of CPU, bytes of memory and of a file, open files; no processes."""
    import resource

    wanted = {
        resource.RLIMIT_CPU: limits["cpu"],
        resource.RLIMIT_AS: limits["memory"],
        resource.RLIMIT_FSIZE: limits["file"],
        resource.RLIMIT_NOFILE: limits["files"],
        resource.RLIMIT_NPROC: 0,
        resource.RLIMIT_CORE: 0,
    }
    for kind, value in wanted.items():
        most = resource.getrlimit(kind)[1]
        hard = value + 1 if kind == resource.RLIMIT_CPU else value  # a signal first, then the end
        if most != resource.RLIM_INFINITY:
            hard = min(hard, most)
        skip = () if sys.platform == "linux" else (ValueError, OSError)  # macOS knows no RLIMIT_AS
        with contextlib.suppress(*skip):
            resource.setrlimit(kind, (min(value, hard), hard))
