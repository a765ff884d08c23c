# Completion of ordeal for bash: its own help says what there is.
_ordeal() {
  local word=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]} options
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    mapfile -t COMPREPLY < <(compgen -W "schema version $(ordeal --help 2>/dev/null |
      sed -n 's/^  ordeal \([a-z]*\).*/\1/p')" -- "$word")
    return
  fi
  case "$word" in
    -*)
      options=$(ordeal "$command" --help 2>/dev/null | grep -o -- '--[a-z][a-z-]*')
      mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word")
      return
      ;;
  esac
  case "$command" in
    faults | new) options=$(ordeal faults 2>/dev/null | sed -n 's/^ *\([a-z]*\.[a-z]*\).*/\1/p') ;;
    report) options="last $(ordeal runs 2>/dev/null | cut -d ' ' -f 1)" ;;
    schema) options='experiment schedule inventory gameday' ;;
    schedule) options='validate forecast log resume' ;;
    gameday) options='run plan validate continue note stop status report' ;;
    *) options= ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word")
}
complete -o default -F _ordeal ordeal
