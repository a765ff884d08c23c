# cpack runs this before and after it makes the package. Where it cannot compute the dependencies, it says
# so in passing and makes one without any, which works nowhere but here: that must be an error.
foreach(tool file dpkg-shlibdeps dpkg-deb)
  find_program(found_${tool} ${tool} NO_CACHE)
  if(NOT found_${tool})
    message(FATAL_ERROR "a package needs `${tool}`, which is not here: scripts/setup package")
  endif()
endforeach()
foreach(package IN LISTS CPACK_PACKAGE_FILES)  # there are none before
  execute_process(COMMAND ${found_dpkg-deb} --field ${package} Depends OUTPUT_VARIABLE depends
    COMMAND_ERROR_IS_FATAL ANY)
  foreach(library libc6 libssl3 libsqlite3-0 libyaml-cpp0.7)
    if(NOT depends MATCHES "(^|[ ,])${library} ")
      file(REMOVE ${package})
      message(FATAL_ERROR "the package would not depend on ${library}, but on: ${depends}")
    endif()
  endforeach()
endforeach()
