# Compiler and linker flags, each group a function applied to a target. Everything here holds on gcc 12 and clang 14.

# ---- sanitizers: the whole tree is built with them -------------------------------------------------------------------

string(REPLACE "," ";" burrow_sanitizers "${BURROW_SANITIZE}")
foreach(sanitizer IN LISTS burrow_sanitizers)
    if(NOT sanitizer MATCHES "^(address|undefined|thread)$")
        message(FATAL_ERROR "BURROW_SANITIZE: '${sanitizer}' is not address, undefined or thread")
    endif()
endforeach()
if("thread" IN_LIST burrow_sanitizers AND "address" IN_LIST burrow_sanitizers)
    message(FATAL_ERROR "BURROW_SANITIZE: address and thread exclude each other")
endif()
if(burrow_sanitizers)
    list(JOIN burrow_sanitizers "," sanitize_flag)
    add_compile_options(-fsanitize=${sanitize_flag} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    add_link_options(-fsanitize=${sanitize_flag})
endif()

# ---- warnings: library, tests and examples alike ---------------------------------------------------------------------

function(burrow_warnings target)
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:C>:
        -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition -Wnested-externs
        -Wredundant-decls -Wpointer-arith -Wwrite-strings -Wundef -Wvla -Wimplicit-fallthrough -Wformat=2 -Wdate-time
        -Winit-self -Wnull-dereference>)
    if(BURROW_WERROR)
        target_compile_options(${target} PRIVATE -Werror)
    endif()
    if(burrow_sanitizers AND CMAKE_C_COMPILER_ID STREQUAL "GNU")
        # gcc documents false reports of these under its sanitizers; the plain builds keep them.
        target_compile_options(${target} PRIVATE -Wno-maybe-uninitialized -Wno-stringop-overflow -Wno-null-dereference)
        if("thread" IN_LIST burrow_sanitizers)
            # Told for every atomic_thread_fence: the sanitizer does not see the order that one makes.
            target_compile_options(${target} PRIVATE -Wno-tsan)
        endif()
    endif()
    # Defined empty, so that a file may say `#define _GNU_SOURCE` for itself as well.
    target_compile_definitions(${target} PRIVATE _GNU_SOURCE=)
endfunction()

# ---- code of the library itself --------------------------------------------------------------------------------------

function(burrow_library_code target)
    target_compile_options(${target} PRIVATE
        # The same bytes are an object of the program, a free slot and a word being scanned.
        -fno-strict-aliasing
        # A stopped thread's stack can be walked and reported.
        -fno-omit-frame-pointer
        # The program may replace malloc, not parts of Burrow: calls between its public functions stay direct.
        -fno-semantic-interposition -fno-optimize-sibling-calls
        # A thread-local read is one instruction and never allocates, which the signal handler that stops threads needs.
        # The cost is static TLS space when the library itself is loaded by dlopen.
        -ftls-model=initial-exec)
endfunction()

function(burrow_shared_library target)
    # Its threads and signal handlers outlive any dlclose; calls are bound at load since the resolver is no place to be
    # stopped in.
    target_link_options(${target} PRIVATE -Wl,-z,nodelete -Wl,-z,now -Wl,-z,relro)
    if(NOT burrow_sanitizers)
        # A sanitizer's runtime comes with the program, so only plain builds can insist on every symbol.
        target_link_options(${target} PRIVATE -Wl,-z,defs)
    endif()
endfunction()
