# libbacktrace, which gives stacks their names and lines, comes with gcc as an archive in gcc's own directory. Programs that
# link libburrow.a must not have to name it, nor meet its names: so what is needed of it becomes one object, in which only
# the three functions that Burrow calls are visible, under other names. It is part of both libraries.
#
# Sets burrow_backtrace_object to that object, or leaves it empty where there is none that fits: then stacks have only names
# that the loader knows (src/os/os_stack.c).
set(burrow_backtrace_object "")

function(burrow_find_backtrace result reason)
    set(${result} "" PARENT_SCOPE)
    if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
        set(compiler ${CMAKE_C_COMPILER})
    else()
        find_program(BURROW_GCC NAMES gcc gcc-12)
        set(compiler ${BURROW_GCC})
    endif()
    # GNU's own, where the compiler comes with others: those know less of relocatable output and of renaming.
    find_program(BURROW_LD NAMES ld.bfd ld)
    find_program(BURROW_OBJCOPY NAMES objcopy)
    mark_as_advanced(BURROW_GCC BURROW_LD BURROW_OBJCOPY)
    if(NOT compiler OR NOT BURROW_LD OR NOT BURROW_OBJCOPY)
        set(${reason} "gcc, ld or objcopy is missing" PARENT_SCOPE)
        return()
    endif()
    execute_process(COMMAND ${compiler} -print-file-name=libbacktrace.a
        OUTPUT_VARIABLE archive OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
    if(NOT IS_ABSOLUTE "${archive}" OR NOT EXISTS "${archive}")
        set(${reason} "gcc has no libbacktrace.a" PARENT_SCOPE)
        return()
    endif()

    set(functions create_state pcinfo syminfo)
    set(directory ${PROJECT_BINARY_DIR}/libbacktrace)
    file(MAKE_DIRECTORY ${directory})
    set(wanted "")
    set(names "")
    foreach(function IN LISTS functions)
        list(APPEND wanted -u backtrace_${function})
        list(APPEND names --keep-global-symbol=burrow_backtrace_${function}
            --redefine-sym backtrace_${function}=burrow_backtrace_${function})
    endforeach()
    execute_process(COMMAND ${BURROW_LD} -r ${wanted} -o ${directory}/whole.o ${archive}
        RESULT_VARIABLE failed OUTPUT_QUIET ERROR_QUIET)
    if(NOT failed)
        execute_process(COMMAND ${BURROW_OBJCOPY} --strip-debug ${names} ${directory}/whole.o ${directory}/backtrace.o
            RESULT_VARIABLE failed OUTPUT_QUIET ERROR_QUIET)
    endif()
    if(failed)
        set(${reason} "${archive} cannot be made one object" PARENT_SCOPE)
        return()
    endif()

    # Position-independent, and complete: it makes a shared object without relocations in its code and without anything else.
    file(WRITE ${directory}/use.c
        "void *burrow_backtrace_create_state(void), *burrow_backtrace_pcinfo(void), *burrow_backtrace_syminfo(void);\n"
        "void *use(void); void *use(void) { burrow_backtrace_create_state(); burrow_backtrace_pcinfo(); "
        "return burrow_backtrace_syminfo(); }\n")
    execute_process(COMMAND ${CMAKE_C_COMPILER} -fPIC -shared -Wl,-z,text -Wl,-z,defs ${directory}/use.c
            ${directory}/backtrace.o -o ${directory}/use.so
        RESULT_VARIABLE failed OUTPUT_QUIET ERROR_QUIET)
    if(failed)
        set(${reason} "${archive} is not position-independent" PARENT_SCOPE)
        return()
    endif()
    set(${result} ${directory}/backtrace.o PARENT_SCOPE)
endfunction()

burrow_find_backtrace(burrow_backtrace_object burrow_backtrace_reason)
if(NOT burrow_backtrace_object)
    message(STATUS "${burrow_backtrace_reason}: stacks have only names that objects export, and no lines")
endif()
