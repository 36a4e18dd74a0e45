"""Ways out of the sandbox, as programs: each prints REACHED where it reached its aim.

They are tried without the audit hook, so that the kernel's wall alone has to hold them.
"""

PRELUDE = """
import os, sys
arena = {arena!r}
victim, new, folder, pid, port, secret = (arena[n] for n in
    ("victim", "new", "folder", "pid", "port", "secret"))
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
column = ("x86_64", "aarch64").index(os.uname().machine)
def call(numbers, *args):
    whole = [ctypes.c_long(a) if type(a) is int else a for a in args]
    return libc.syscall(ctypes.c_long(numbers[column]), *whole)
say = print
def reached(it=True):
    if it: say("REACHED")
def has(text):
    reached(secret in (text if type(text) is str else bytes(text).decode("latin-1")))
"""

# Reading a file outside, or its folder.
READ = {
    "open": "has(open(victim).read())",
    "os.open": "has(os.read(os.open(victim, os.O_RDONLY), 99))",
    "open_code": "import io; has(io.open_code(victim).read())",
    "libc open": "has(os.read(libc.open(victim.encode(), 0), 99))",
    "libc fopen": "libc.fopen.restype = ctypes.c_void_p; reached(libc.fopen(victim.encode(), b'r'))",
    "open of x86 or openat": "reached(call((2, 56), *((victim.encode(), 0) if not column else "
    "(-100, victim.encode(), 0))) >= 0)",
    "openat2": "reached(call((437, 437), -100, victim.encode(), b'\\0' * 24, 24) >= 0)",
    "relative": "os.chdir(folder); has(open(os.path.basename(victim)).read())",
    "dots": "has(open('../../../../../../../..' + victim).read())",
    "descriptor of a folder": "d = os.open(folder, os.O_RDONLY); "
    "has(os.read(os.open(os.path.basename(victim), os.O_RDONLY, dir_fd=d), 99))",
    "path descriptor": "d = os.open('/', os.O_PATH); "
    "has(os.read(os.open(victim[1:], os.O_RDONLY, dir_fd=d), 99))",
    "path descriptor opened again": "d = os.open(victim, os.O_PATH); "
    "has(open(f'/proc/self/fd/{d}').read())",
    "listdir": "reached(os.path.basename(victim) in os.listdir(folder))",
    "getdents by descriptor": "reached(os.listdir(os.open(folder, os.O_RDONLY)))",
    "whiteout": "open('x', 'w').close(); reached(call((316, 276), -100, b'x', -100, b'y', 4) == 0)",
    "exchange": "open('x', 'w').close(); open('y', 'w').close(); "
    "reached(call((316, 276), -100, b'x', -100, b'y', 2) == 0)",
    "symlink": "os.symlink(victim, 'link'); has(open('link').read())",
    "hard link": "os.link(victim, 'link'); has(open('link').read())",
    "proc root": "has(open('/proc/self/root' + victim).read())",
    "another's root": "has(open(f'/proc/{pid}/root' + victim).read())",
    "another's folder": "os.chdir(f'/proc/{pid}/cwd'); reached(os.listdir())",
    "own command line": "reached(open('/proc/self/cmdline').read())",
    "import from outside": "sys.path.insert(0, folder); import outside; has(outside.text)",
    "sendfile": "s = os.open(victim, os.O_RDONLY); o = os.open('o', os.O_RDWR | os.O_CREAT); "
    "os.sendfile(o, s, 0, 99); has(open('o').read())",
    "copy": "import shutil; shutil.copyfile(victim, 'c'); has(open('c').read())",
    "memory map": "import mmap; has(mmap.mmap(os.open(victim, os.O_RDONLY), 0, prot=1)[:])",
    "sqlite reads": "import sqlite3; c = sqlite3.connect(f'file:{arena[\"database\"]}?mode=ro', uri=True); "
    "has(c.execute('select * from t').fetchone()[0])",
    "cat": "import subprocess; has(subprocess.run(['cat', victim], capture_output=True).stdout)",
    "exec": "os.execv('/bin/cat', ['cat', victim])",
    "handle": "h = (ctypes.c_uint * 40)(128); m = ctypes.c_int(); "
    "call((303, 264), -100, victim.encode(), h, ctypes.byref(m), 0); "
    "d = os.open('/', os.O_RDONLY); f = call((304, 265), d, h, 0); has(os.read(f, 99))",
    "inotify": "i = call((294, 26), 0); reached(call((254, 27), i, folder.encode(), 0xfff) >= 0)",
    "io_uring": "reached(call((425, 425), 4, b'\\0' * 120) >= 0)",
    "chroot": "os.chroot(folder); reached(os.listdir('/'))",
    "mount": "os.mkdir('m'); reached(libc.mount(folder.encode(), b'm', None, 4096, None) == 0)",
    "user namespace": "reached(libc.unshare(0x10000000) == 0)",
    "mount namespace": "reached(libc.unshare(0x00020000) == 0)",
    "a new mount": "reached(call((428, 428), -100, b'/', 1) >= 0)",
    "disk device": "os.mknod('d', 0o60600, os.makedev(254, 0)); reached(open('d', 'rb').read(9))",
    "opened for neither": "d = os.open(victim, 3); reached(os.fstat(d).st_size)",
    "shared memory files": "reached(os.listdir('/dev/shm') or True)",
    "file system's device": "reached(os.listdir('/sys'))",
    "watching everything": "reached(call((300, 262), 0, 0) >= 0)",
}
# Changing something outside.
WRITE = {
    "write": "open(victim, 'w').write('x'); reached()",
    "append": "open(victim, 'a').write('x'); reached()",
    "new file": "open(new, 'w').write('x'); reached()",
    "truncate": "os.truncate(victim, 0); reached()",
    "opened for reading, truncated": "os.open(victim, os.O_RDONLY | os.O_TRUNC); reached()",
    "library truncated": "import json; os.open(json.__file__, os.O_RDONLY | os.O_TRUNC); reached()",
    "library written": "import json; open(json.__file__, 'a'); reached()",
    "remove": "os.remove(victim); reached()",
    "rename away": "os.rename(victim, 'mine'); reached()",
    "rename over": "open('o', 'w').close(); os.replace('o', victim); reached()",
    "mkdir": "os.mkdir(new); reached()",
    "rmdir": "os.rmdir(arena['empty']); reached()",
    "rmtree": "import shutil; shutil.rmtree(folder); reached()",
    "mkfifo": "os.mkfifo(new); reached()",
    "mknod file": "os.mknod(new); reached()",
    "mknod in its folder": "os.mkfifo('pipe'); reached()",
    "mknod device": "os.mknod('null', 0o20666, os.makedev(1, 3)); reached()",
    "symlink": "os.symlink('/', new); reached()",
    "symlink in its folder": "os.symlink('/', 'link'); reached()",
    "hard link": "os.link(victim, new); reached()",
    "chmod": "os.chmod(victim, 0o600); reached()",
    "chmod by descriptor": "d = os.open(victim, os.O_PATH); os.chmod(f'/proc/self/fd/{d}', 0o600); "
    "reached()",
    "chmod with flags": "reached(call((452, 452), -100, victim.encode(), 0, 0) == 0)",
    "chown": "os.chown(victim, os.getuid(), os.getgid()); reached()",
    "utime": "os.utime(victim, (1, 1)); reached()",
    "setxattr": "os.setxattr(victim, 'user.x', b'x'); reached()",
    "set-user-id": "open('s', 'w').close(); os.chmod('s', 0o4777); reached()",
    "sqlite connects": "import sqlite3; c = sqlite3.connect(new); c.execute('create table t (x)'); "
    "c.commit(); reached()",
    "sqlite attaches": "import sqlite3; c = sqlite3.connect(':memory:'); "
    "c.execute('attach ? as o', (new,)); c.execute('create table o.t (x)'); c.commit(); reached()",
    "sqlite vacuums": "import sqlite3; sqlite3.connect(':memory:').execute('vacuum into ?', (new,)); "
    "reached()",
    "logging": "import logging; logging.FileHandler(new).emit; reached(os.path.exists(new))",
    "dbm": "import dbm.dumb; dbm.dumb.open(new, 'c').close(); reached(os.path.exists(new + '.dat'))",
    "unix socket bound": "import socket; socket.socket(1).bind(new); reached()",
}
# Reaching somebody over a socket, another process, or what outlives the program.
OTHERS = {
    "tcp": "import socket; socket.create_connection(('127.0.0.1', port), 1); reached()",
    "tcp by number": "reached(call((41, 198), 2, 1, 0) >= 0)",
    "tcp listens": "import socket; s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen(); reached()",
    "udp": "import socket; socket.socket(2, 2).sendto(b'x', ('127.0.0.1', port)); reached()",
    "unix": "import socket; socket.socket(1).connect(arena['unix']); reached()",
    "abstract": "import socket; socket.socket(1).connect('\\0' + arena['abstract']); reached()",
    "socket pair": "import socket; socket.socketpair(); reached()",
    "netlink": "import socket; socket.socket(16, 3, 0); reached()",
    "name server": "import socket; socket.getaddrinfo('localhost', 80, type=1)[0]; "
    "socket.socket(2, 2); reached()",
    "kill": "os.kill(pid, 9); reached()",
    "kill, asked": "os.kill(pid, 0); reached()",
    "kill all": "os.kill(-1, 0); reached()",
    "kill the supervisor": "os.kill(os.getppid(), 9); reached()",
    "kill its group": "os.killpg(0, 0); reached()",
    "tkill": "reached(call((200, 130), pid, 9) == 0)",
    "tgkill": "reached(call((234, 131), pid, pid, 9) == 0)",
    "sigqueue": "reached(call((129, 138), pid, 9, (ctypes.c_int * 32)(9, 0, -1)) == 0)",
    "pidfd": "import signal; signal.pidfd_send_signal(os.pidfd_open(pid), 9); reached()",
    "pidfd to the supervisor": "import signal; "
    "signal.pidfd_send_signal(os.pidfd_open(os.getppid()), 9); reached()",
    "signal by a pipe's owner": "import fcntl; r, w = os.pipe(); fcntl.fcntl(r, 8, pid); "
    "fcntl.fcntl(r, 10, 9); fcntl.fcntl(r, 4, os.O_ASYNC); os.write(w, b'x'); reached()",
    "ptrace": "reached(libc.ptrace(16, pid, 0, 0) == 0)",
    "ptrace, seized": "reached(libc.ptrace(0x4206, pid, 0, 0) == 0)",
    "memory of another": "b = ctypes.create_string_buffer(8); "
    "v = (ctypes.c_void_p * 2)(ctypes.addressof(b), 8); reached(call((310, 270), pid, v, 1, v, 1, 0) >= 0 "
    "or ctypes.get_errno() == 14)",
    "descriptor of another": "reached(call((438, 438), os.pidfd_open(pid), 0, 0) >= 0)",
    "environment of another": "has(open(f'/proc/{pid}/environ').read())",
    "environment of the caller": "reached(open(f'/proc/{arena[\"caller\"]}/environ').read() or 1)",
    "memory file of another": "reached(open(f'/proc/{pid}/mem', 'rb'))",
    "arguments of all": "[reached(open(f'/proc/{n}/cmdline').read()) for n in os.listdir('/proc') "
    "if n.isdigit()]",
    "limits of another": "import resource; resource.prlimit(pid, resource.RLIMIT_CPU, (1, 1)); reached()",
    "priority of another": "os.setpriority(os.PRIO_PROCESS, pid, 19); reached()",
    "scheduling of another": "os.sched_setscheduler(pid, os.SCHED_IDLE, os.sched_param(0)); reached()",
    "processor of another": "os.sched_setaffinity(pid, os.sched_getaffinity(0)); reached()",
    "comparing with another": "reached(call((312, 272), pid, pid, 0, 0, 0) >= 0)",
    "fork": "reached(os.fork() >= 0)",
    "clone": "reached(call((56, 220), 17, 0, 0, 0, 0) >= 0)",
    "clone3": "reached(call((435, 435), b'\\0' * 32 + b'\\x11' + b'\\0' * 31, 64) >= 0)",
    "spawn": "reached(os.posix_spawn('/bin/true', ['true'], {}) > 0)",
    "own session": "os.setsid(); reached()",
    "own group": "os.setpgid(0, 0); reached()",
    "root again": "os.setresuid(0, 0, 0); reached()",
    "more time": "import resource; resource.setrlimit(resource.RLIMIT_CPU, (10**6, 10**6)); reached()",
    "more processes": "import resource; resource.setrlimit(resource.RLIMIT_NPROC, (9, 9)); reached()",
    "outliving the supervisor": "reached(libc.prctl(1, 0, 0, 0, 0) == 0)",
    "looked at by others": "reached(libc.prctl(4, 1, 0, 0, 0) == 0)",
    "shared memory": "reached(call((29, 194), 77, 4096, 0o1666) >= 0)",
    "semaphores": "reached(call((64, 190), 77, 1, 0o1666) >= 0)",
    "message queue": "reached(call((68, 186), 77, 0o1666) >= 0)",
    "posix queue": "reached(call((240, 180), b'queue', 0o102, 0o666, 0) >= 0)",
    "key ring": "reached(call((248, 217), b'user', b'k', b'v', 1, -4) >= 0)",
    "bpf": "reached(call((321, 280), 0, b'\\x02\\0\\0\\0' * 4 + b'\\0' * 99, 72) >= 0 "
    "or ctypes.get_errno() != 38)",
    "performance counters": "reached(call((298, 241), b'\\0' * 128, 0, -1, -1, 0) >= 0 "
    "or ctypes.get_errno() != 38)",
    "page faults": "reached(call((323, 282), 1) >= 0)",
    "a looser wall": "reached(call((444, 444), b'\\x01' + b'\\0' * 15, 16, 0) >= 0)",
    "another kind of calls": "reached(libc.personality(0x0400000) >= 0)",
    "host name": "import socket; reached(call((170, 161), b'x', 1) == 0)",
    "clock": "import time; time.clock_settime(time.CLOCK_REALTIME, time.time()); reached()",
    "memory without a name": "reached(os.memfd_create('x') >= 0)",
    "memory that is shared": "import mmap; reached(mmap.mmap(-1, 4096))",
    "disk without a name": "import mmap; d = os.open('.', os.O_RDWR | os.O_TMPFILE); "
    "os.ftruncate(d, 4096); reached(mmap.mmap(d, 4096))",
    "memory that is locked": "reached(call((149, 228), 0, 0) == 0)",
}
ATTEMPTS = {
    f"{kind}: {name}": program
    for kind, table in (("read", READ), ("write", WRITE), ("others", OTHERS))
    for name, program in table.items()
}
# Those whose aim is reached without the sandbox, by any user, and harm nothing then.
CONTROLS = """
read: open | read: os.open | read: open_code | read: libc open | read: libc fopen | read: openat2 |
read: relative | read: dots | read: descriptor of a folder | read: path descriptor |
read: path descriptor opened again | read: listdir | read: symlink | read: proc root |
read: own command line | read: import from outside | read: sendfile | read: copy | read: memory map |
read: sqlite reads | read: cat | read: inotify | write: write | write: append | write: new file |
write: truncate | write: opened for reading, truncated | write: remove | write: rename away |
write: rename over | write: mkdir | write: rmdir | write: rmtree | write: mkfifo | write: symlink |
write: utime | write: sqlite connects | write: sqlite attaches | write: sqlite vacuums | write: dbm |
write: unix socket bound | others: tcp | others: udp | others: unix | others: abstract |
others: kill | others: pidfd | others: tgkill | others: sigqueue | others: signal by a pipe's owner |
others: environment of another | others: priority of another | others: fork
"""
SAFE = [" ".join(name.split()) for name in CONTROLS.split("|")]
