# Run by cpack after it wrote the packages: takes out the scripts that it gives every package with a library, which call
# ldconfig themselves. libosdn0 has a trigger for it, as Debian's policy wants; the emulator needs none. And cpack makes
# folders with the packager's umask, which nobody else may have to bear.
foreach(package ${CPACK_PACKAGE_FILES})
  set(unpacked ${CPACK_TEMPORARY_DIRECTORY}/unpacked)
  file(REMOVE_RECURSE ${unpacked})
  execute_process(COMMAND dpkg-deb --raw-extract ${package} ${unpacked} COMMAND_ERROR_IS_FATAL ANY)
  file(REMOVE ${unpacked}/DEBIAN/postinst ${unpacked}/DEBIAN/postrm)
  execute_process(COMMAND chmod -R u=rwX,go=rX ${unpacked}/usr COMMAND_ERROR_IS_FATAL ANY)
  execute_process(COMMAND dpkg-deb --root-owner-group -Zgzip -z6 --build ${unpacked} ${package} COMMAND_ERROR_IS_FATAL ANY
                  OUTPUT_QUIET)
  file(REMOVE_RECURSE ${unpacked})
endforeach()
