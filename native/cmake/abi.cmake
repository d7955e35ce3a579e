# HOROBALL_ABI: the version of the function tables, a hash of core.h. An addon refuses the tables of a core that was built
# from another version of that file (node/bind.h). Line endings are ignored, because they differ between checkouts.
set(horoball_tables ${CMAKE_CURRENT_SOURCE_DIR}/native/core.h)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${horoball_tables})
file(READ ${horoball_tables} horoball_abi)
string(REPLACE "\r\n" "\n" horoball_abi "${horoball_abi}")
string(SHA256 horoball_abi "${horoball_abi}")
string(SUBSTRING ${horoball_abi} 0 8 horoball_abi)
add_compile_definitions(HOROBALL_ABI=0x${horoball_abi}u)
