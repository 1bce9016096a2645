# Debian packages: `cpack --preset release`, or cpack -G DEB in the build directory. One for each component of the installation.
set(SYNC_MAINTAINER "the sync_ext authors <sync_ext@noreply.invalid>"
    CACHE STRING "Whom the packages name as their maintainer")

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME sync-ext)
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "") # each package has its own
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_CONTACT ${SYNC_MAINTAINER})
set(CPACK_RESOURCE_FILE_LICENSE ${PROJECT_SOURCE_DIR}/LICENSE)
set(CPACK_COMPONENTS_ALL extension peer development)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_VERBATIM_VARIABLES ON)
set(CPACK_STRIP_FILES ON)
# The prefix stands in installed texts: files go to DESTDIR, and are installed to where they will be.
set(CPACK_SET_DESTDIR ON)
set(CPACK_INSTALL_PREFIX /usr)
set(CPACK_PRE_BUILD_SCRIPTS ${PROJECT_SOURCE_DIR}/cmake/debian_files.cmake)

set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)

set(CPACK_DEBIAN_EXTENSION_PACKAGE_NAME sync-ext)
set(CPACK_DEBIAN_EXTENSION_PACKAGE_SECTION database)
set(CPACK_DEBIAN_EXTENSION_PACKAGE_RECOMMENDS "sqlite3 (>= 3.40)")
set(CPACK_DEBIAN_EXTENSION_PACKAGE_SUGGESTS sync-peer)
set(CPACK_DEBIAN_EXTENSION_DESCRIPTION "SQLite files that keep each other in step: the extension
An extension for SQLite that records the changes of ordinary files by plain
triggers, gives them out as changesets, and merges those of other files, cell
by cell. Programs that write to the files need not know of it.")

set(CPACK_DEBIAN_PEER_PACKAGE_NAME sync-peer)
set(CPACK_DEBIAN_PEER_PACKAGE_SECTION database)
set(CPACK_DEBIAN_PEER_PACKAGE_DEPENDS "systemd | systemd-standalone-sysusers | systemd-sysusers")
set(CPACK_DEBIAN_PEER_PACKAGE_SUGGESTS "sqlite3, sync-ext")
set(CPACK_DEBIAN_PEER_DESCRIPTION "SQLite files that keep each other in step: the daemon
Watches ordinary SQLite files and exchanges their changes with peers over
websockets, in both directions, until all of them hold the same. It offers
single files or whole folders, with tokens and TLS where that is wanted.")
set(CPACK_DEBIAN_PEER_PACKAGE_CONTROL_EXTRA "")
foreach(name IN ITEMS conffiles postinst prerm postrm)
    list(APPEND CPACK_DEBIAN_PEER_PACKAGE_CONTROL_EXTRA ${PROJECT_SOURCE_DIR}/peer/dist/debian/${name})
endforeach()

set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libsync-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS "libsqlite3-dev (>= 3.40), libzstd-dev")
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SUGGESTS sync-ext)
set(CPACK_DEBIAN_DEVELOPMENT_DESCRIPTION "SQLite files that keep each other in step: for programs in C
The engine of sync_ext as a static library, its header and what pkg-config
says of it, for programs that bring it along with their own SQLite
connections.")

include(CPack)
