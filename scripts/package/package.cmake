# What is installed, and the Debian package: `cpack -G DEB` in the build folder.
include(GNUInstallDirs)
set(documents ${CMAKE_INSTALL_DATADIR}/doc/ordeal)

install(TARGETS ordeal DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS ordeal-executor DESTINATION lib/ordeal)
install(FILES scripts/systemd/ordeal-recover.service scripts/systemd/ordeal.service
  DESTINATION lib/systemd/system)
install(FILES scripts/package/ordeal.sysusers DESTINATION lib/sysusers.d RENAME ordeal.conf)
install(FILES scripts/package/ordeal.tmpfiles DESTINATION lib/tmpfiles.d RENAME ordeal.conf)
install(FILES scripts/package/ordeal.bash
  DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME ordeal)
install(FILES scripts/package/copyright README.md DESTINATION ${documents})
install(DIRECTORY docs/ DESTINATION ${documents} FILES_MATCHING PATTERN "*.md"
  PATTERN internals EXCLUDE)
install(DIRECTORY experiments/ DESTINATION ${documents}/examples USE_SOURCE_PERMISSIONS)
# For editors, written by the very program that reads the files.
foreach(kind experiment schedule inventory gameday)
  install(CODE "execute_process(COMMAND $<TARGET_FILE:ordeal> schema ${kind} COMMAND_ERROR_IS_FATAL ANY
    OUTPUT_FILE ${PROJECT_BINARY_DIR}/${kind}.schema.json)")
  install(FILES ${PROJECT_BINARY_DIR}/${kind}.schema.json
    DESTINATION ${CMAKE_INSTALL_DATADIR}/ordeal)
endforeach()
# An administrator's own files are never replaced; in the package they are conffiles.
install(CODE "set(from \"${PROJECT_SOURCE_DIR}/scripts/package\")")
install(CODE [[
  if(NOT EXISTS "$ENV{DESTDIR}/etc/ordeal/policy.conf")
    file(INSTALL "${from}/policy.conf" DESTINATION /etc/ordeal)
  endif()
  if(NOT EXISTS "$ENV{DESTDIR}/etc/default/ordeal")
    file(INSTALL "${from}/ordeal.default" DESTINATION /etc/default RENAME ordeal)
  endif()]])

# ---- cpack -G DEB
set(package ${PROJECT_SOURCE_DIR}/scripts/package)
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME ordeal)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_CONTACT "The ordeal authors <ordeal@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "chaos engineering for plain Linux hosts")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
"ordeal breaks a service on purpose, watches it, stops at your limits, puts the
machine back and gives a verdict. Experiments are YAML files; they are run by
hand, in CI, on a schedule (ordeal.service) or on a game day.")
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION admin)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_PRE_BUILD_SCRIPTS ${package}/check.cmake)
set(CPACK_POST_BUILD_SCRIPTS ${package}/check.cmake)
# Time zones of schedules are read at run time; groups are made when it is installed.
set(CPACK_DEBIAN_PACKAGE_DEPENDS "tzdata, systemd | systemd-standalone-sysusers")
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "openssh-client")
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${package}/postinst ${package}/prerm ${package}/postrm
  ${package}/conffiles)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_STRIP_FILES ON)
# /etc is not below the prefix.
set(CPACK_SET_DESTDIR ON)
set(CPACK_INSTALL_PREFIX /usr)
include(CPack)
