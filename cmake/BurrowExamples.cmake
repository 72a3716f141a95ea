# examples/crossref/*.c, examples/cache/*.c and examples/compaction/*.c make one program each, examples/article/*.c one
# for each file. They are compiled as a user's program would be (no flag of the library's own) and linked to the static
# library, so that they run from anywhere.

function(burrow_example name directory)
    add_executable(${name} ${ARGN})
    target_link_libraries(${name} PRIVATE burrow_static)
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${directory})
    burrow_warnings(${name})
endfunction()

foreach(name crossref cache compaction)
    file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/examples/${name}/*.c)
    burrow_example(${name} ${PROJECT_BINARY_DIR}/bin ${sources})
endforeach()

file(GLOB article_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/examples/article/*.c)
foreach(source IN LISTS article_sources)
    get_filename_component(name ${source} NAME_WE)
    burrow_example(article_${name} ${PROJECT_BINARY_DIR}/bin/article ${source})
    set_target_properties(article_${name} PROPERTIES OUTPUT_NAME ${name})
endforeach()
