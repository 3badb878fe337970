const hidden = () => '[secret]';
export const secret = (text) => ({ reveal: () => text, toJSON: hidden, toString: hidden });
