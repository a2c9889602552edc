/* Menus and bars of actions. */
import { Button, Dropdown, DropdownItem, DropdownList, MenuToggle, Tooltip } from "@patternfly/react-core";
import EllipsisVIcon from "@patternfly/react-icons/dist/esm/icons/ellipsis-v-icon";
import { useEffect, useState } from "react";
import { t } from "../lib/i18n";
import { type Action, useAct } from "./act";

/** The command of an action that asks for nothing: menus show it below the label. */
function commandOf(action: Action): string | undefined {
  if (action.fields || action.perform) return undefined;
  try {
    const calls = action.calls({});
    return calls.length === 1 ? calls[0]!.command : undefined;
  } catch {
    return undefined;
  }
}

interface MenuProps {
  label: string;
  /** a function is only called while the menu is open */
  actions: Action[] | (() => Action[]);
  kebab?: boolean;
}

/** Lists have one per row: until it is opened for the first time, a menu is only its button. */
export function ActionMenu(props: MenuProps) {
  const [wasOpened, setOpened] = useState(!props.kebab);
  if (wasOpened) return <OpenableMenu {...props} startsOpen={props.kebab ?? false} />;
  return (
    <button type="button" className="pf-v6-c-menu-toggle pf-m-plain" aria-label={props.label} aria-expanded={false} onClick={() => setOpened(true)}>
      <span className="pf-v6-c-menu-toggle__icon">
        <EllipsisVIcon />
      </span>
    </button>
  );
}

function OpenableMenu({ label, actions, kebab, startsOpen }: MenuProps & { startsOpen: boolean }) {
  const act = useAct();
  const [isOpen, setOpen] = useState(false);
  useEffect(() => {
    // Behind the click that made the menu, which would close it again.
    const timer = startsOpen ? setTimeout(() => setOpen(true)) : undefined;
    return () => clearTimeout(timer);
  }, [startsOpen]);
  const items = !isOpen ? [] : typeof actions === "function" ? actions() : actions;
  return (
    <Dropdown
      isOpen={isOpen}
      onOpenChange={setOpen}
      onSelect={() => setOpen(false)}
      popperProps={{ position: "right", preventOverflow: true }}
      toggle={(ref) => (
        <MenuToggle
          ref={ref}
          variant={kebab ? "plain" : "default"}
          aria-label={label}
          onClick={() => setOpen(!isOpen)}
          isExpanded={isOpen}
          {...(kebab && { icon: <EllipsisVIcon /> })}
        >
          {!kebab && label}
        </MenuToggle>
      )}
    >
      <DropdownList>
        {items.map((action) => (
          <DropdownItem
            key={action.label}
            isDanger={action.danger ?? false}
            isAriaDisabled={Boolean(action.disabled)}
            description={action.disabled ?? commandOf(action)}
            onClick={() => !action.disabled && act(action)}
          >
            {action.label}
          </DropdownItem>
        ))}
        {isOpen && items.length === 0 && <DropdownItem isDisabled>{t("Nothing can be done here.")}</DropdownItem>}
      </DropdownList>
    </Dropdown>
  );
}

export function ActionButton({ action, primary }: { action: Action; primary?: boolean }) {
  const act = useAct();
  const variant = action.danger ? "danger" : primary ? "primary" : "secondary";
  const button = (
    <Button variant={variant} isAriaDisabled={Boolean(action.disabled)} onClick={() => !action.disabled && act(action)}>
      {action.label}
    </Button>
  );
  const tip = action.disabled ?? commandOf(action);
  return tip ? <Tooltip content={tip}>{button}</Tooltip> : button;
}
