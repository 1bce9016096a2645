# What depends on where the daemon is installed, which is certain only then. Included when installing.
set(prefix ${CMAKE_INSTALL_PREFIX})
if(prefix STREQUAL "/usr")
    set(sysconfdir /etc)
    set(zsh_folder vendor-completions)
else()
    set(sysconfdir ${prefix}/etc)
    set(zsh_folder site-functions)
endif()

set(unit ${prefix}/lib/systemd/system/sync-peer.service)
configure_file(${CMAKE_CURRENT_LIST_DIR}/sync-peer.service.in "$ENV{DESTDIR}${unit}" @ONLY)
list(APPEND CMAKE_INSTALL_MANIFEST_FILES ${unit})

file(INSTALL ${CMAKE_CURRENT_LIST_DIR}/completions/_sync-peer DESTINATION ${prefix}/share/zsh/${zsh_folder})

# One that is there is somebody's work.
if(NOT EXISTS "$ENV{DESTDIR}${sysconfdir}/sync-peer/peer.json")
    file(INSTALL ${CMAKE_CURRENT_LIST_DIR}/peer.json DESTINATION ${sysconfdir}/sync-peer)
endif()
