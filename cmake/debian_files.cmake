# What Debian wants in each package beside what is installed: documents in their folder, compressed. CPack includes this when the components
# lie in CPACK_TEMPORARY_DIRECTORY, before it packs them.
set(source ${CMAKE_CURRENT_LIST_DIR}/..)

function(sync_compress)
    foreach(file IN LISTS ARGN)
        execute_process(COMMAND gzip -9nf ${file} COMMAND_ERROR_IS_FATAL ANY)
    endforeach()
endfunction()

# sync_documents(COMPONENT PACKAGE [FILE...])
function(sync_documents component package)
    set(usr ${CPACK_TEMPORARY_DIRECTORY}/${component}/usr)
    set(to ${usr}/share/doc/${package})
    foreach(file IN LISTS ARGN)
        file(COPY ${source}/${file} DESTINATION ${to})
    endforeach()
    configure_file(${source}/LICENSE ${to}/copyright COPYONLY)
    configure_file(${source}/docs/CHANGELOG.md ${to}/changelog COPYONLY)
    string(TIMESTAMP now "%a, %d %b %Y %H:%M:%S +0000" UTC)
    file(WRITE ${to}/changelog.Debian
         "${package} (${CPACK_PACKAGE_VERSION}-${CPACK_DEBIAN_PACKAGE_RELEASE}) unstable; urgency=medium\n\n"
         "  * What changed is in changelog.gz.\n\n -- ${CPACK_PACKAGE_CONTACT}  ${now}\n")
    file(GLOB pages ${usr}/share/man/man*/*.[1-9])
    sync_compress(${to}/changelog ${to}/changelog.Debian ${pages})
endfunction()

sync_documents(extension sync-ext README.md docs/SQL.md docs/MERGE.md docs/LIMITS.md docs/FORMAT.md)
sync_documents(peer sync-peer README.md docs/CONFIG.md docs/PROTOCOL.md docs/LIMITS.md)
sync_documents(development libsync-dev)

# Where dlopen() looks, so that ".load sync_ext" finds it.
file(GLOB extension ${CPACK_TEMPORARY_DIRECTORY}/extension/usr/lib/sqlite3/sync_ext.so
     ${CPACK_TEMPORARY_DIRECTORY}/extension/usr/lib/*/sqlite3/sync_ext.so)
cmake_path(GET extension PARENT_PATH folder)
cmake_path(GET folder PARENT_PATH folder)
file(CREATE_LINK sqlite3/sync_ext.so ${folder}/sync_ext.so SYMBOLIC)
