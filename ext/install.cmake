# sync_ext.pc names the prefix, which is certain only when installing. Included then, behind what sets the folders.
set(installed ${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_LIBDIR}/pkgconfig/sync_ext.pc)
configure_file(${CMAKE_CURRENT_LIST_DIR}/sync_ext.pc.in "$ENV{DESTDIR}${installed}" @ONLY)
list(APPEND CMAKE_INSTALL_MANIFEST_FILES ${installed})
