"""Burrow's goroutines in gdb, in a live process or a core file.

  (gdb) source /usr/local/share/burrow/burrow-gdb.py
  (gdb) info goroutines           all of them: number, state, where each is and who made it
  (gdb) goroutine 3 bt            a command, any, as if goroutine 3 were a thread
  (gdb) goroutine all bt
  (gdb) goroutine 3               stays there: bt, up, frame, print and info locals are about it from here on. The frame
                                  that is selected is the first one of the program's own functions
  (gdb) goroutine none            back to the thread; so is whatever lets the program run

How. The goroutines' records are found as stacks_each does (src/sched/stack.c), those of threads as threads_each. One on
a thread is shown by that thread. What another needs of the registers lies at its stack pointer, in the order in which
sched_switch has pushed it (src/sched/switch_*.S). Registers are never written, so that nothing is to be put back, and a
core file is like a process: a frame unwinder says that the caller of the selected thread's frame is where the
goroutine was left. So its frames count from 1 (more if the thread's is inlined), and `frame 0` is still the thread's;
backtraces leave that out. Registers that a call does not preserve are <not saved> in them. Functions that are called by
`print` run on the thread's own stack.

The signal that stops threads (BURROWDEBUG=stopsignal=N) is passed on without a word: it comes with every collection.

The list finds the program's function by frame pointers, which the library always has, and asks gdb once for each place.
"""
import os.path
import re
import struct

import gdb
from gdb.unwinder import Unwinder, register_unwinder

# What the library's debug information does not say: macros of stack.c. Every record is checked against them.
STACK_BYTES = 64 << 10
COLOURS = 32
COLOUR_BYTES = 64

THREAD_SAFE = 2  # enum thread_state of src/gc/gc.h

# Registers in the order of the words at stack_pointer, which of these is the return address, how many there are.
SAVED = {
    "i386:x86-64": (("r15", "r14", "r13", "r12", "rbx", "rbp", "rip"), 6, 7, "rip", "rsp", "rbp"),
    "aarch64": (tuple("x%d" % i for i in range(19, 31)), 11, 20, "pc", "sp", "x29"),
}


def saved_registers():
    name = gdb.selected_inferior().architecture().name()
    if name not in SAVED:
        raise gdb.GdbError("Burrow has no goroutines on %s." % name)
    return SAVED[name]


def word_at(address):
    return struct.unpack("=Q", bytes(gdb.selected_inferior().read_memory(address, 8)))[0]


class Record:
    """A struct of the library in one piece of memory, by the offsets of its fields: much quicker than gdb.Value."""

    layouts = {}

    def __init__(self, type_, address):
        self.type, self.address = type_, address
        self.bytes = bytes(gdb.selected_inferior().read_memory(address, type_.sizeof))

    def get(self, path):
        offset, size = self.place(self.type, path)
        return int.from_bytes(self.bytes[offset : offset + size], "little")

    @classmethod
    def place(cls, type_, path):
        key = (str(type_), path)
        if key not in cls.layouts:
            offset = 0
            for name in path.split("."):
                field = type_.strip_typedefs()[name]
                offset += field.bitpos // 8
                type_ = field.type
            cls.layouts[key] = (offset, type_.sizeof)
        return cls.layouts[key]


# ---- what there is in the program -----------------------------------------------------------------------------------


class Library:
    """The library in the program: its variables and its types. Made anew for each command."""

    def __init__(self):
        if gdb.selected_thread() is None:
            raise gdb.GdbError("There is no process and no core file.")
        Record.layouts.clear()
        self.stacks = self.file_of("stacks_each")
        self.threads = self.file_of("threads_each")
        self.root = self.stacks.symtab.fullname()[: -len("src/sched/stack.c")]
        self.solib = gdb.solib_name(int(self.stacks.value().address))
        self.goroutine = self.variable(self.stacks, "kept").type.target()
        self.functions, self.places, self.texts = {}, {}, {}

    @staticmethod
    def file_of(function):
        symbol = gdb.lookup_global_symbol(function)
        if symbol is not None:
            return symbol
        for name in ("stacks_each", "bw__go", "bw_gc"):
            try:
                gdb.parse_and_eval("&" + name)
            except gdb.error:
                continue
            raise gdb.GdbError(
                "Burrow's library has no debug information here, which tells where goroutines are: it was built "
                "without -g, or was stripped and its debug file is not where gdb looks (show debug-file-directory)."
            )
        raise gdb.GdbError(
            "No goroutines: Burrow's scheduler is not in this program, or not loaded yet, or the program was stripped."
        )

    @staticmethod
    def variable(neighbour, name):
        """A static variable of the file in which a function is: others may have the same name elsewhere."""
        for symbol in neighbour.symtab.static_block():
            if symbol.name == name and symbol.is_variable:
                return symbol.value()
        raise gdb.GdbError("Burrow's library has no variable %s: burrow-gdb.py is of another version." % name)

    def text(self, address):
        if address not in self.texts:
            self.texts[address] = gdb.Value(address).cast(gdb.lookup_type("char").pointer()).string()
        return self.texts[address]

    def goroutine_records(self):
        chunks = self.variable(self.stacks, "chunks")
        page = int(gdb.parse_and_eval("os_page_bytes::bytes"))
        chunk_type = chunks.type.target()
        slots = chunk_type["warm"].type.sizeof * 8
        for number in range(int(self.variable(self.stacks, "chunk_count"))):
            chunk = Record(chunk_type, int(chunks) + number * chunk_type.sizeof)
            base, warm = chunk.get("base"), chunk.get("warm")
            while warm:
                slot = (warm & -warm).bit_length() - 1
                warm &= warm - 1
                index = number * slots + slot
                end = base + (slot + 1) * (STACK_BYTES + page)
                address = end - index % COLOURS * COLOUR_BYTES - self.goroutine.sizeof
                record = Record(self.goroutine, address)
                if record.get("stack.hi") != address or record.get("slot") != index:
                    if record.get("stack.hi") == 0:
                        continue  # being made
                    raise gdb.GdbError("A goroutine's record is not as expected: burrow-gdb.py is of another version.")
                if record.get("live"):
                    yield record

    def thread_records(self):
        threads = self.variable(self.threads, "threads")
        thread_type, at = threads.type.target(), int(threads)
        while at:
            record = Record(thread_type, at)
            yield record
            at = record.get("next")

    # From an address to a name.

    def is_own_file(self, symtab):
        name = symtab.fullname()
        return name.startswith(self.root + "src/") or re.search(r"/burrow/\w+\.h$", name) is not None

    def function_of(self, pc):
        """The symbol of the function that the instruction is in, itself and not one inlined there; or None."""
        block = gdb.block_for_pc(pc)
        function = None
        while block is not None and not block.is_static and not block.is_global:
            function = block.function or function
            block = block.superblock
        return function

    def is_own(self, pc):
        if pc not in self.functions:
            if self.solib is not None:
                own = gdb.solib_name(pc) == self.solib
            else:
                function = self.function_of(pc)
                symtab = function.symtab if function else gdb.find_pc_line(pc).symtab
                own = symtab is not None and self.is_own_file(symtab)
            self.functions[pc] = own
        return self.functions[pc]

    def describe(self, pc):
        """function () at file:line, without frames."""
        function = self.function_of(pc)
        if function is not None:
            name = function.print_name
        else:
            match = re.match(r"(\S+)( \+ \d+)? in section", gdb.execute("info symbol %d" % pc, to_string=True))
            name = match.group(1) if match else "%#x" % pc
        line = gdb.find_pc_line(pc)
        return name + " ()" + (" at %s:%d" % (line.symtab.filename, line.line) if line.symtab else "")

    def program_frame(self):
        """The first frame of the program's, neither of the library nor of libc, of what is selected; or None."""
        frame = gdb.newest_frame()
        lineless = None
        while frame is not None:
            line = frame.find_sal()
            own = self.is_own_file(line.symtab) if line.symtab is not None else self.is_own(frame.pc())
            if not own and not is_hidden(frame) and frame.name() is not None:
                libc = re.match(r"(libc|libpthread|ld-linux)\b", os.path.basename(gdb.solib_name(frame.pc()) or ""))
                if line.symtab is not None and not libc:
                    return frame
                lineless = lineless or frame
            try:
                frame = frame.older()
            except gdb.error:
                break
        return lineless


def describe_frame(frame):
    line = frame.find_sal()
    return frame.name() + " ()" + (" at %s:%d" % (line.symtab.filename, line.line) if line.symtab else "")


class Goroutine:
    """One goroutine, or a thread that counts as one. `thread` is gdb's; None: it is on none."""

    def __init__(self, library, record, thread_record, thread):
        self.library, self.record, self.thread_record, self.thread = library, record, thread_record, thread
        if record is not None and not record.get("is_thread"):
            numbers, within = record, "id."
        else:
            type_ = thread_record.type["numbers"].type.target()
            numbers, within = Record(type_, thread_record.get("numbers")), ""
        self.number, self.maker, self.made_by = (numbers.get(within + name) for name in ("number", "maker", "made_by"))

    def state(self):
        record, words = self.record, []
        if record is not None and record.get("waits_for"):
            state = self.library.text(record.get("waits_for"))
        elif self.thread_record is None:
            state = "runnable"
        elif self.thread_record.get("state") != THREAD_SAFE:
            state = "running"
        else:
            blocking, joining = self.thread_record.get("blocking"), self.thread_record.get("joining")
            state = "syscall" if blocking else "thread join" if joining else "wait for GC cycle"
        if record is not None and record.get("leaked"):
            words.append("leaked")
        if record is not None and record.get("locked_to"):
            words.append("locked to thread")
        return ", ".join([state] + words)

    def saved(self):
        """The registers with which it goes on, by name, when it is on no thread."""
        names, return_word, count, pc, sp, fp = saved_registers()
        at = self.record.get("stack_pointer")
        memory = bytes(gdb.selected_inferior().read_memory(at, count * 8))
        words = struct.unpack("=%dQ" % count, memory)
        registers = dict(zip(names, words))
        registers[pc] = words[return_word]
        if registers[pc] == int(gdb.parse_and_eval("(unsigned long)&sched_entry")):
            registers[pc] += 4  # it has not begun; gdb looks before what is a return address otherwise
        registers[sp] = at + count * 8
        return registers

    def where(self):
        library = self.library
        if self.thread is not None:
            text = self.where_by_frames()
            if text is None and self.record is not None and self.record.get("function"):
                text = library.describe(self.record.get("function"))
            return text or "?"
        if self.record is None or self.thread_record is not None:
            return "?"  # of a thread that the core file does not have
        _, _, _, pc_name, sp_name, fp_name = saved_registers()
        registers = self.saved()
        pc, fp, low = registers[pc_name], registers[fp_name], registers[sp_name]
        high = self.record.get("stack.hi")
        while library.is_own(pc - 1 if fp else pc):
            if not low <= fp < high:
                # It has not begun, or the library was the last that it called.
                return library.describe(self.record.get("function"))
            low, pc, fp = fp + 16, word_at(fp + 8), word_at(fp)
        if pc not in library.places:
            library.places[pc] = self.where_by_frames() or library.describe(pc - 1)
        return library.places[pc]

    def where_by_frames(self):
        with Selected(self):
            frame = self.library.program_frame()
            return describe_frame(frame) if frame is not None else None

    def maker_text(self):
        if not self.made_by:
            return ""
        return ", made by %s in goroutine %d" % (self.library.describe(self.made_by - 1), self.maker)


def goroutines(library):
    """All of them, by number."""
    by_id = {thread.ptid[1] or thread.ptid[2]: thread for thread in gdb.selected_inferior().threads()}
    sp_name = saved_registers()[4]
    on_stack, on_record, found = [], {}, []
    with Selected(None):
        for record in library.thread_records():
            thread = by_id.get(record.get("id"))
            if record.get("gone") or record.get("internal"):
                continue
            if record.get("worker"):
                # Between two goroutines, what the records say is ahead of the stack that the thread is on.
                if thread is not None:
                    thread.switch()
                    on_stack.append((int(gdb.newest_frame().read_register(sp_name)), record, thread))
                on_record[record.get("goroutine")] = (record, thread)
            elif record.get("numbers"):
                own = record.get("goroutine")
                one = Goroutine(library, Record(library.goroutine, own) if own else None, record, thread)
                if 0 < one.number < 1 << 31:
                    found.append(one)
    on_stack.sort(key=lambda entry: entry[0])
    for record in library.goroutine_records():
        low, high = record.get("stack.lo"), record.get("stack.hi")
        on = next((entry[1:] for entry in on_stack if low <= entry[0] < high), None)
        if on is None and record.get("running"):
            on = on_record.get(record.address)
        found.append(Goroutine(library, record, *(on or (None, None))))
    return sorted(found, key=lambda one: one.number)


# ---- being at one ---------------------------------------------------------------------------------------------------


class Switch:
    """The frames of the thread whose first frame has this pc and sp go on at these registers."""

    current = None

    def __init__(self, number, registers):
        _, _, _, pc_name, sp_name, _ = saved_registers()
        frame = gdb.newest_frame()
        self.number, self.registers, self.hidden = number, registers, 0
        self.at = int(frame.read_register(pc_name)), int(frame.read_register(sp_name))

    @classmethod
    def set(cls, switch):
        cls.current = switch
        frames_of_goroutine.enabled = switch is not None
        gdb.invalidate_cached_frames()
        if switch is None:
            return
        frame = gdb.newest_frame()
        while frame.type() == gdb.INLINE_FRAME:
            frame = frame.older()
        frame = frame.older()
        if frame is None:
            cls.set(None)
            raise gdb.GdbError("gdb does not find the frames of goroutine %d." % switch.number)
        switch.hidden = frame.level()
        frame.select()


def is_hidden(frame):
    """Is it the thread's own, while a goroutine is selected that is on none?"""
    return Switch.current is not None and frame.level() < Switch.current.hidden


class SavedFrames(Unwinder):
    def __init__(self):
        super().__init__("burrow")

    def __call__(self, pending):
        switch = Switch.current
        if switch is None:
            return None
        _, _, _, pc_name, sp_name, _ = saved_registers()
        if (int(pending.read_register(pc_name)), int(pending.read_register(sp_name))) != switch.at:
            return None
        # Below the goroutine's frames, as gdb wants callers to be above.
        below = gdb.Value(switch.registers[sp_name] - 16)
        info = pending.create_unwind_info(FrameId(below, gdb.Value(switch.at[0])))
        for name, word in switch.registers.items():
            info.add_saved_register(name, gdb.Value(word).cast(pending.read_register(name).type))
        return info


class FrameId:
    def __init__(self, sp, pc):
        self.sp, self.pc = sp, pc


class FramesOfGoroutine:
    """Leaves the thread's own frame out of backtraces."""

    name, enabled, priority = "burrow", False, 100

    def filter(self, frames):
        return (frame for frame in frames if not is_hidden(frame.inferior_frame()))


class Selected:
    """While it lasts a goroutine (None: any thread) is selected; then what was before, unless the program has run."""

    def __init__(self, goroutine):
        self.goroutine = goroutine

    def __enter__(self):
        self.stops = stops.count
        self.thread, self.switch = gdb.selected_thread(), Switch.current
        self.level = gdb.selected_frame().level()
        try:
            select(self.goroutine)
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_):
        if stops.count != self.stops or not self.thread.is_valid():
            return
        self.thread.switch()
        Switch.set(self.switch)
        frame = gdb.newest_frame()
        while frame is not None and frame.level() < self.level:
            frame = frame.older()
        if frame is not None:
            frame.select()


def select(goroutine):
    Switch.set(None)
    if goroutine is None:
        return
    if goroutine.thread is not None:
        goroutine.thread.switch()
        gdb.newest_frame().select()
    elif goroutine.thread_record is not None:
        raise gdb.GdbError("Goroutine %d is on a thread that is not there." % goroutine.number)
    else:
        Switch.set(Switch(goroutine.number, goroutine.saved()))


def to_program(goroutine):
    """Selects the frame in which the program's own function is, if there is one."""
    frame = goroutine.library.program_frame()
    if frame is not None:
        frame.select()


class Stops:
    """How often the program has run and stopped: where threads are is new then."""

    count = 0

    def __call__(self, _):
        self.count += 1
        if Switch.current is not None:
            Switch.set(None)


# ---- the commands ---------------------------------------------------------------------------------------------------


class InfoGoroutines(gdb.Command):
    """Lists Burrow's goroutines: number, state, where each is in the program, who made it.
`*` is at the one that is selected. Threads of the program, main among them, have numbers too."""

    def __init__(self):
        super().__init__("info goroutines", gdb.COMMAND_STATUS)

    def invoke(self, _argument, _from_tty):
        found = goroutines(Library())
        selected = Switch.current.number if Switch.current else None
        for one in found:
            here = one.thread is not None and one.thread == gdb.selected_thread()
            mark = "*" if (one.number == selected if selected else here) else " "
            gdb.write("%s %6d  %-16s  %s\n" % (mark, one.number, one.state(), one.where() + one.maker_text()))
        if not found:
            gdb.write("No goroutines.\n")


class GoroutineCommand(gdb.Command):
    """goroutine N COMMAND, goroutine all COMMAND: runs the command at goroutine N, or at each.
goroutine N: selects it until the program runs or another is selected; goroutine none: back to the thread.
Selected is the frame of the program's own function.
Its frames count from 1: frame 0 is where the thread is, and registers are the thread's there."""

    def __init__(self):
        super().__init__("goroutine", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        which, _, command = argument.strip().partition(" ")
        if which == "none" and not command:
            select(None)
            gdb.newest_frame().select()
        elif which == "all" and command:
            for one in goroutines(Library()):
                gdb.write("goroutine %d [%s]:\n" % (one.number, one.state()))
                before = stops.count
                try:
                    self.run(one, command, from_tty)
                except gdb.error as error:
                    gdb.write("%s\n" % error)
                gdb.write("\n")
                if stops.count != before:
                    raise gdb.GdbError("The program has run: the other goroutines are left out.")
        elif which.isdecimal():
            one = next((one for one in goroutines(Library()) if one.number == int(which)), None)
            if one is None:
                raise gdb.GdbError("There is no goroutine %s." % which)
            if command:
                try:
                    self.run(one, command, from_tty)
                except gdb.error as error:
                    raise gdb.GdbError(str(error))
            else:
                select(one)
                to_program(one)
                gdb.execute("frame", from_tty)
        else:
            raise gdb.GdbError("It is goroutine N [COMMAND], goroutine all COMMAND, or goroutine none.")

    @staticmethod
    def run(one, command, from_tty):
        with Selected(one):
            to_program(one)
            gdb.execute(command, from_tty)


# The highest real-time signal but one, if the program has not taken it for itself.
gdb.execute("handle SIG63 nostop noprint pass", to_string=True)
frames_of_goroutine = FramesOfGoroutine()
gdb.frame_filters["burrow"] = frames_of_goroutine
stops = Stops()
gdb.events.stop.connect(stops)
gdb.events.exited.connect(stops)
register_unwinder(None, SavedFrames(), replace=True)
InfoGoroutines()
GoroutineCommand()
