package environ

// promptName is the variable that keeps the prompt until bash has read its start
// files, which set PS1; bash then runs promptCommand, before its first prompt.
// A prompt command of the image or the caller goes on alone after that.
const (
	promptName    = "SEALIFT_PROMPT"
	promptCommand = "PS1=$" + promptName + "; unset PROMPT_COMMAND"
	promptAfter   = `; PROMPT_COMMAND="${PROMPT_COMMAND%%; PROMPT_COMMAND=*}"; PS1=$` + promptName
)

// peersPrompts are what the scripts of images set for want of another prompt.
var peersPrompts = []string{"Apptainer> ", "Singularity> "}

// setPrompt has interactive shells show the image's prompt, or e's.
func (e *Environment) setPrompt(values map[string]variable) {
	if e.prompt == "" {
		return
	}
	ps1 := values["PS1"]
	if ps1.value == "" || ps1.value == peersPrompts[0] || ps1.value == peersPrompts[1] {
		ps1 = variable{name: "PS1", value: e.prompt, origin: "the prompt"}
	}
	values["PS1"] = ps1
	values[promptName] = variable{name: promptName, value: ps1.value, origin: "the prompt"}
	command := promptCommand
	if old := values["PROMPT_COMMAND"]; old.value != "" {
		command = old.value + promptAfter
	}
	values["PROMPT_COMMAND"] = variable{name: "PROMPT_COMMAND", value: command, origin: "the prompt"}
}

// prompt is setPrompt for the script.
func (s scriptWriter) prompt(prompt string) {
	if prompt == "" {
		return
	}
	s.WriteString("case \"${PS1-}\" in ''")
	for _, p := range peersPrompts {
		s.WriteString("|" + quoteSingle(p))
	}
	s.WriteString(") PS1=" + quoteSingle(prompt) + ";; esac\n" +
		"export PS1 " + promptName + "=\"$PS1\"\n" +
		"if [ -n \"${PROMPT_COMMAND-}\" ]; then export PROMPT_COMMAND=\"$PROMPT_COMMAND\"" + quoteSingle(promptAfter) + "\n" +
		"else export PROMPT_COMMAND=" + quoteSingle(promptCommand) + "; fi\n")
}
